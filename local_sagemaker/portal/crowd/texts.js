/* crowd-input, crowd-text-area and crowd-slider. */

class TextField extends HTMLElement {
  #control = null;
  #early = null;

  _build(control) {
    if (this.#control) return;
    const label = document.createElement("label");
    label.className = "crowd-label";
    label.textContent = this.getAttribute("label") ?? this.getAttribute("placeholder") ?? this.getAttribute("name") ?? "";
    if (this.hasAttribute("required")) label.append(" (required)");
    control.id = newId();
    label.htmlFor = control.id;
    control.setAttribute(INNER, "");
    for (const name of ["placeholder", "required", "disabled", "readonly", "autocomplete"])
      if (this.hasAttribute(name)) control.setAttribute(name, this.getAttribute(name));
    for (const [ours, native] of [["min-length", "minlength"], ["max-length", "maxlength"], ["minlength", "minlength"], ["maxlength", "maxlength"]])
      if (this.hasAttribute(ours)) control.setAttribute(native, this.getAttribute(ours));
    control.value = this.#early ?? this.getAttribute("value") ?? "";
    control.defaultValue = control.value;
    this.append(label, control);
    this.#control = control;
    if (this.hasAttribute("char-counter")) this.#count();
    if (this.hasAttribute("auto-validate"))
      control.addEventListener("blur", () => showError(this, this.problem()[0], control));
  }

  #count() {
    const place = document.createElement("p");
    place.className = "crowd-count";
    const limit = this.getAttribute("max-length");
    const show = () => {
      const { length } = this.value;
      place.textContent = limit ? `${length} of ${limit} characters` : `${length} characters`;
    };
    this.#control.addEventListener("input", show);
    show();
    this.append(place);
  }

  get _control() {
    return this.#control;
  }

  get name() {
    return this.getAttribute("name") ?? "";
  }

  get value() {
    return this.#control ? this.#control.value : (this.#early ?? this.getAttribute("value") ?? "");
  }

  set value(text) {
    if (this.#control) this.#control.value = text ?? "";
    else this.#early = String(text ?? "");
  }

  get disabled() {
    return this.hasAttribute("disabled");
  }

  set disabled(on) {
    this.toggleAttribute("disabled", Boolean(on));
    if (this.#control) this.#control.disabled = Boolean(on);
  }

  focus() {
    this.#control?.focus();
  }

  answer() {
    const text = this.value.replaceAll("\r\n", "\n");
    return this.name && !this.disabled && text !== "" ? [[this.name, text]] : [];
  }

  problem() {
    const control = this.#control;
    const pattern = this.getAttribute("allowed-pattern");
    const own = this.getAttribute("error-message");
    let message = nativeProblem(control);
    if (control.validity.valueMissing) message = "Fill in this field.";
    const least = Number(this.getAttribute("min-length") ?? this.getAttribute("minlength") ?? 0);
    // Browsers look at the length of what people type only.
    if (control.value && control.value.length < least) message = `Write at least ${least} characters.`;
    if (control.value && pattern && !matchesWhole(pattern, control.value))
      message = "This is not of the form that is asked for.";
    return [message && own ? own : message, control];
  }
}

/* AWS's pattern names the characters that may be typed, such as `[0-9]`; a whole one is fine too. */
function matchesWhole(pattern, text) {
  try {
    return new RegExp(`^(?:${pattern})*$`, "u").test(text);
  } catch {
    return true;
  }
}

class CrowdInput extends TextField {
  connectedCallback() {
    const control = document.createElement("input");
    control.type = this.getAttribute("type") ?? "text";
    for (const name of ["min", "max", "step", "pattern"])
      if (this.hasAttribute(name)) control.setAttribute(name, this.getAttribute(name));
    this._build(control);
  }
}

class CrowdTextArea extends TextField {
  connectedCallback() {
    const control = document.createElement("textarea");
    control.rows = Number(this.getAttribute("rows")) || 3;
    const most = Number(this.getAttribute("max-rows"));
    if (most) control.style.maxBlockSize = `${most * 1.5 + 1.5}em`;
    this._build(control);
  }
}

class CrowdSlider extends TextField {
  connectedCallback() {
    if (this._control) return;
    const control = document.createElement("input");
    control.type = "range";
    for (const name of ["min", "max", "step"])
      if (this.hasAttribute(name)) control.setAttribute(name, this.getAttribute(name));
    this._build(control);
    if (this.hasAttribute("value")) control.value = this.getAttribute("value");
    const shown = document.createElement("output");
    const show = () => (shown.textContent = control.value);
    control.addEventListener("input", show);
    show();
    this.append(shown);
  }

  answer() {
    return this.name && !this.disabled ? [[this.name, Number(this.value)]] : [];
  }
}
