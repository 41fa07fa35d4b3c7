/* Defines the elements, and joins them with the page: keys, heights, drafts. */

/* Single keys can be switched off, for those who speak to their computer (WCAG 2.1.4). */
const shortcuts = {
  digits: true,
  watchers: [],
  watch(watcher) {
    this.watchers.push(watcher);
  },
  set(on, tell = true) {
    this.digits = on;
    this.watchers.forEach((watcher) => watcher(on));
    if (tell) channel.tell({ kind: "shortcuts", digits: on });
  },
};

const ELEMENTS = {
  "crowd-form": CrowdForm,
  "crowd-classifier": CrowdClassifier,
  "crowd-classifier-multi-select": CrowdClassifierMultiSelect,
  "crowd-image-classifier": CrowdImageClassifier,
  "crowd-radio-group": CrowdRadioGroup,
  "crowd-radio-button": CrowdRadioButton,
  "crowd-checkbox": CrowdCheckbox,
  "crowd-toggle-button": CrowdToggleButton,
  "crowd-input": CrowdInput,
  "crowd-text-area": CrowdTextArea,
  "crowd-slider": CrowdSlider,
  "crowd-instructions": CrowdInstructions,
  "crowd-card": CrowdCard,
  "crowd-alert": CrowdAlert,
  "crowd-tab": CrowdTab,
  "crowd-button": CrowdButton,
};
for (const [name, element] of Object.entries(ELEMENTS)) customElements.define(name, element);
markUnavailable(document.body);

const form = () => document.querySelector("crowd-form");
if (!form()) {
  const note = document.createElement("p");
  note.className = "crowd-unavailable";
  note.textContent = "This task’s page has no crowd-form, so that it cannot be answered. Decline it, and tell whoever gave it to you.";
  document.body.prepend(note);
}

function typesText(element) {
  return (
    element instanceof HTMLElement &&
    (element.isContentEditable ||
      element.matches("textarea, select, input:not([type=radio], [type=checkbox], [type=button], [type=submit], [type=reset], [type=range])"))
  );
}

/* Act on a key; return whether it meant something. */
function press(key, withControl) {
  if (key === "Enter" && withControl) {
    form()?.requestSubmit();
    return Boolean(form());
  }
  if (withControl || !shortcuts.digits || !/^[0-9]$/.test(key)) return false;
  const focused = document.activeElement?.closest?.(CLASSIFIERS);
  const classifier = focused ?? document.querySelector(CLASSIFIERS);
  return classifier?.choose((Number(key) + 9) % 10) ?? false;
}

const CLASSIFIERS = "crowd-classifier, crowd-classifier-multi-select, crowd-image-classifier";

document.addEventListener("keydown", (event) => {
  const control = event.ctrlKey || event.metaKey;
  if (event.defaultPrevented || event.altKey || event.isComposing) return;
  if (!control && typesText(event.target)) return;
  if (event.key === "Enter" && control && event.repeat) return;
  if (press(event.key, control)) event.preventDefault();
});

channel.on("key", ({ key, control }) => press(key, control));
channel.on("shortcuts", ({ digits }) => shortcuts.set(Boolean(digits), false));
channel.on("restore", ({ fields }) => {
  if (form() && Array.isArray(fields)) restore(form().form, fields);
});
/* While an answer is on its way, a second one must not follow it. */
channel.on("busy", ({ busy }) => {
  for (const button of document.querySelectorAll("button[type=submit], button:not([type])"))
    button.setAttribute("aria-disabled", String(busy));
  document.body.classList.toggle("crowd-busy", Boolean(busy));
});

const height = () =>
  channel.tell({ kind: "height", height: Math.ceil(document.documentElement.getBoundingClientRect().height) });
new ResizeObserver(height).observe(document.documentElement);

document.dispatchEvent(new CustomEvent("all-crowd-elements-ready", { bubbles: true }));
document.querySelector("[auto-focus]")?.focus?.();
channel.open();
height();
