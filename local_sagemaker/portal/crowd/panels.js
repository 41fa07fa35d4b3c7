/* Buttons that open and close a panel below them: instructions, shortcuts.

   Panels and not dialogs: the frame is as high as its content, and a dialog in the middle of it
   may be out of sight. */

/* Make a bar of buttons, each with the panel it opens; `panels` are [title, content, isOpen]. */
function panelBar(panels) {
  const bar = document.createElement("div");
  bar.className = "crowd-bar";
  const bodies = panels.map(([title, content, isOpen]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "crowd-quiet";
    button.textContent = title;
    const panel = document.createElement("section");
    panel.id = newId();
    panel.className = "crowd-panel";
    panel.setAttribute("aria-label", title);
    panel.hidden = !isOpen;
    panel.append(content);
    button.setAttribute("aria-controls", panel.id);
    button.setAttribute("aria-expanded", String(Boolean(isOpen)));
    button.addEventListener("click", () => {
      panel.hidden = !panel.hidden;
      button.setAttribute("aria-expanded", String(!panel.hidden));
    });
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      panel.hidden = true;
      button.setAttribute("aria-expanded", "false");
      button.focus();
    });
    bar.append(button);
    return panel;
  });
  return [bar, ...bodies];
}

/* Take an element's children by the name of a region, with a heading if it names one. */
function takeRegion(element, name) {
  const region = element.querySelector(`:scope > ${name}`);
  if (!region) return null;
  const box = document.createElement("div");
  box.className = "crowd-region";
  if (region.getAttribute("header")) {
    const heading = document.createElement("h2");
    heading.textContent = region.getAttribute("header");
    box.append(heading);
  }
  box.append(...region.childNodes);
  region.remove();
  return box;
}
