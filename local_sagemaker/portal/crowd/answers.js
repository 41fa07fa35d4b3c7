/* What becomes of the fields of a form: one object, its names and shapes being A2I's.

   A crowd element answers by itself (`answer()` returns [name, value] pairs); a native control
   answers here. Controls inside a crowd element belong to it. */

const INNER = "data-crowd-inner";

/* Return the elements of a form that answer, in the document's order. */
function answering(form) {
  return [...form.querySelectorAll("*")].filter(
    (element) =>
      typeof element.answer === "function" ||
      (element.matches("input, select, textarea") && !element.hasAttribute(INNER)),
  );
}

function nativeAnswer(control) {
  if (!control.name || control.matches(":disabled")) return [];
  if (control.type === "radio" || control.type === "checkbox")
    return [[control.name, { [control.value]: control.checked }]];
  if (["button", "submit", "reset", "image", "file"].includes(control.type)) return [];
  if (control.type === "select-multiple")
    return [[control.name, [...control.selectedOptions].map((option) => option.value)]];
  return [[control.name, control.value.replaceAll("\r\n", "\n")]];
}

/* Return the answer of a form. Buttons and boxes of one name share one entry. */
function collect(form) {
  const answer = Object.create(null);
  for (const element of answering(form)) {
    const pairs = element.answer ? element.answer() : nativeAnswer(element);
    for (const [name, value] of pairs) {
      const before = answer[name];
      const both = isShared(before) && isShared(value);
      answer[name] = both ? { ...before, ...value } : value;
    }
  }
  return { ...answer };
}

function isShared(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((one) => typeof one === "boolean")
  );
}

/* Return what is filled in, to be put back after the page was loaded anew. */
function draft(form) {
  return [...form.elements].map((control) =>
    control.type === "radio" || control.type === "checkbox"
      ? [control.type, control.checked]
      : [control.type, isKept(control) ? control.value : ""],
  );
}

function restore(form, kept) {
  const controls = [...form.elements];
  const same =
    kept.length === controls.length && kept.every(([type], i) => type === controls[i].type);
  if (!same) return;
  kept.forEach(([, value], i) => {
    const control = controls[i];
    const property = typeof value === "boolean" ? "checked" : "value";
    if ((property === "value" && !isKept(control)) || control[property] === value) return;
    control[property] = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
    control.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function isKept(control) {
  return (
    control.matches("textarea, select, input") &&
    !["hidden", "password", "file", "button", "submit", "reset", "image"].includes(control.type)
  );
}
