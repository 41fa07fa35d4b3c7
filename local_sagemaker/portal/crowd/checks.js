/* Is every field filled in as it must be? What is wrong is said beside the field. */

/* Show a message at a field, or take it away; `control` is what a screen reader should tie it to. */
function showError(element, message, control) {
  const around = element.errorPlace ?? element;
  let place = around.querySelector(":scope > .crowd-error");
  if (!message && !place) return;
  if (!place) {
    place = document.createElement("p");
    place.className = "crowd-error";
    place.id = newId();
    around.append(place);
  }
  place.textContent = message;
  place.hidden = !message;
  if (!control) return;
  // A group of radio buttons has no such state; its message is read as its description.
  if (control.localName !== "fieldset" && control.type !== "radio")
    control.setAttribute("aria-invalid", String(Boolean(message)));
  const ids = new Set((control.getAttribute("aria-describedby") ?? "").split(/\s+/).filter(Boolean));
  if (message) ids.add(place.id);
  else ids.delete(place.id);
  if (ids.size) control.setAttribute("aria-describedby", [...ids].join(" "));
  else control.removeAttribute("aria-describedby");
}

/* Return the message for a native control by its own rules, or "". */
function nativeProblem(control) {
  return control.willValidate && !control.validity.valid ? control.validationMessage : "";
}

/* Show what is wrong with a form's fields; return the first control to mend, or null. */
function firstProblem(form) {
  let first = null;
  for (const element of answering(form)) {
    const shown = element.checkVisibility ? element.checkVisibility() : true;
    let control = element;
    let message = "";
    if (element.problem) {
      // What is focused, and what the message describes where that is something else.
      let described;
      [message, control, described] = element.problem();
      showError(element, shown ? message : "", described ?? control);
    } else {
      message = nativeProblem(element);
      nativeError(element, shown ? message : "");
    }
    if (message && shown && first === null) first = { control, message };
  }
  return first;
}

/* A native control has no room for children, so what is wrong stands behind it. */
function nativeError(control, message) {
  let place = control.nextElementSibling;
  if (!place?.classList.contains("crowd-native-error")) {
    if (!message) return;
    place = document.createElement("span");
    place.className = "crowd-native-error";
    control.after(place);
  }
  showError(place, message, control);
}

const newId = (() => {
  let count = 0;
  return () => `crowd-${(count += 1)}`;
})();
