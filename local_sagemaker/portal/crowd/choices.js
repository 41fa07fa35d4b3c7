/* crowd-radio-group, crowd-radio-button, crowd-checkbox and crowd-toggle-button. */

class Choice extends HTMLElement {
  #input = null;

  _build(type) {
    if (this.#input) return;
    const label = document.createElement("label");
    label.className = "crowd-option";
    const input = document.createElement("input");
    input.type = type;
    input.value = this.value;
    input.checked = this.hasAttribute("checked");
    input.defaultChecked = input.checked;
    input.disabled = this.hasAttribute("disabled");
    input.setAttribute(INNER, "");
    const text = document.createElement("span");
    text.append(...this.childNodes);
    if (!text.textContent.trim()) text.append(this.getAttribute("label") ?? this.value);
    label.append(input, text);
    this.append(label);
    this.#input = input;
  }

  get _input() {
    return this.#input;
  }

  get name() {
    return this.getAttribute("name") ?? "";
  }

  get value() {
    return this.getAttribute("value") ?? "on";
  }

  get checked() {
    return this.#input ? this.#input.checked : this.hasAttribute("checked");
  }

  set checked(on) {
    if (this.#input) this.#input.checked = Boolean(on);
    else this.toggleAttribute("checked", Boolean(on));
  }

  get disabled() {
    return this.#input ? this.#input.disabled : this.hasAttribute("disabled");
  }

  set disabled(on) {
    this.toggleAttribute("disabled", Boolean(on));
    if (this.#input) this.#input.disabled = Boolean(on);
  }

  focus() {
    this.#input?.focus();
  }

  answer() {
    return this.name && !this.disabled ? [[this.name, { [this.value]: this.checked }]] : [];
  }
}

class CrowdRadioButton extends Choice {
  connectedCallback() {
    this._build("radio");
    // The buttons of a group exclude each other also where their names differ.
    const group = this.closest("crowd-radio-group");
    if (group) group.dataset.crowdGroup ||= newId();
    this._input.name = group ? group.dataset.crowdGroup : `crowd-radio-${this.name}`;
  }

  problem() {
    return ["", this._input];
  }
}

class CrowdCheckbox extends Choice {
  connectedCallback() {
    this._build("checkbox");
  }

  problem() {
    const missing = this.hasAttribute("required") && !this.checked;
    return [missing ? "Tick this box to go on." : "", this._input];
  }
}

class CrowdToggleButton extends CrowdCheckbox {
  connectedCallback() {
    super.connectedCallback();
    this._input.setAttribute("role", "switch");
  }
}

class CrowdRadioGroup extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "radiogroup");
    if (this.hasAttribute("aria-label") || this.hasAttribute("aria-labelledby")) return;
    const label = this.getAttribute("label");
    // What stands before a group is what it asks.
    const before = this.previousElementSibling;
    if (label) this.setAttribute("aria-label", label);
    else if (before && /^(p|h[1-6]|label|legend|span|strong)$/i.test(before.localName)) {
      before.id ||= newId();
      this.setAttribute("aria-labelledby", before.id);
    } else this.setAttribute("aria-label", "Choose one");
  }
}
