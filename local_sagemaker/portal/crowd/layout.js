/* crowd-button, and what only arranges: cards, alerts, instructions, tabs. What is not here says so. */

class CrowdButton extends HTMLElement {
  #button = null;

  connectedCallback() {
    if (this.#button) return;
    const href = this.getAttribute("href");
    const button = document.createElement(href ? "a" : "button");
    if (href) {
      button.href = href;
      button.target = this.getAttribute("target") || "_blank";
      button.rel = "noopener";
    } else {
      const action = this.getAttribute("form-action");
      button.type = action === "submit" || action === "reset" ? action : "button";
      button.disabled = this.hasAttribute("disabled") || this.hasAttribute("loading");
    }
    const variant = this.getAttribute("variant") ?? "normal";
    button.className = `crowd-button crowd-${variant}`;
    button.append(...this.childNodes);
    if (!button.textContent.trim())
      button.append(this.getAttribute("aria-label") ?? this.getAttribute("icon") ?? "Button");
    this.append(button);
    this.#button = button;
  }

  get disabled() {
    return this.hasAttribute("disabled");
  }

  set disabled(on) {
    this.toggleAttribute("disabled", Boolean(on));
    if (this.#button) this.#button.disabled = Boolean(on);
  }

  click() {
    this.#button?.click();
  }

  focus() {
    this.#button?.focus();
  }
}

class CrowdCard extends HTMLElement {
  connectedCallback() {
    if (this.dataset.crowdReady) return;
    this.dataset.crowdReady = "";
    const { heading, image } = { heading: this.getAttribute("heading"), image: this.getAttribute("image") };
    if (heading) {
      const title = document.createElement("h2");
      title.textContent = heading;
      this.prepend(title);
    }
    if (image) {
      const picture = document.createElement("img");
      picture.src = image;
      picture.alt = "";
      this.prepend(picture);
    }
  }
}

class CrowdAlert extends HTMLElement {
  connectedCallback() {
    if (this.dataset.crowdReady) return;
    this.dataset.crowdReady = "";
    const type = this.getAttribute("type") ?? "info";
    this.classList.add(`crowd-alert-${type}`);
    this.setAttribute("role", type === "error" || type === "warning" ? "alert" : "status");
    if (!this.hasAttribute("dismissible")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "crowd-quiet";
    button.textContent = "Close";
    button.addEventListener("click", () => this.remove());
    this.append(button);
  }
}

class CrowdInstructions extends HTMLElement {
  connectedCallback() {
    if (this.dataset.crowdReady) return;
    this.dataset.crowdReady = "";
    const short = takeRegion(this, "short-summary");
    const all = document.createElement("div");
    const regions = [
      ["detailed-instructions", ""],
      ["positive-example", "A good example"],
      ["negative-example", "A bad example"],
    ];
    for (const [name, title] of regions) {
      const region = takeRegion(this, name);
      if (!region) continue;
      if (title && !region.querySelector("h2")) {
        const heading = document.createElement("h2");
        heading.textContent = title;
        region.prepend(heading);
      }
      region.classList.add(name);
      all.append(region);
    }
    all.append(...this.childNodes);
    this.append(...panelBar([[this.getAttribute("link-text") || "Instructions", all, false]]));
    if (short) this.prepend(short);
  }
}

class CrowdTab extends HTMLElement {
  connectedCallback() {
    if (this.dataset.crowdReady) return;
    this.dataset.crowdReady = "";
    const title = document.createElement("h2");
    title.textContent = this.getAttribute("header") ?? "";
    this.prepend(title);
  }
}

/* Say that an element is not here, and leave what is inside it to be seen. */
function markUnavailable(root) {
  for (const element of root.querySelectorAll("*")) {
    const name = element.localName;
    if (!name.startsWith("crowd-") || customElements.get(name) || PLAIN.has(name)) continue;
    const note = document.createElement("p");
    note.className = "crowd-unavailable";
    note.textContent = `Part of this task, “${name}”, is not available here. If you cannot answer without it, decline the task.`;
    element.prepend(note);
  }
}

/* They arrange their content, and that is style. */
const PLAIN = new Set(["crowd-badge", "crowd-line", "crowd-tabs"]);
