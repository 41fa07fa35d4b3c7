/* crowd-form: takes the fields in, and hands over their answer. */

class CrowdForm extends HTMLElement {
  #form = null;

  connectedCallback() {
    if (this.#form) return;
    const form = document.createElement("form");
    // Messages beside the fields instead of the browser's bubbles, which a frame cuts off.
    form.noValidate = true;
    form.append(...this.childNodes);
    form.submit = () => this.submit();
    this.append(form);
    this.#form = form;
    if (!form.querySelector(SUBMITS)) {
      const button = document.createElement("crowd-button");
      button.setAttribute("form-action", "submit");
      button.setAttribute("variant", "primary");
      button.setAttribute("data-crowd-own", "");
      button.textContent = "Submit";
      form.append(button);
    }
    // Before any handler of the template's own: those may count on fields that are filled in.
    form.addEventListener("submit", (event) => this.#check(event), { capture: true });
    // After all of them, when the event has gone its way up.
    addEventListener("submit", (event) => {
      if (event.target !== form || event.defaultPrevented) return;
      event.preventDefault();
      this.submit();
    });
    form.addEventListener("input", () => this.#changed());
    form.addEventListener("change", () => this.#changed());
  }

  /* The form inside, as templates know it. */
  get form() {
    return this.#form;
  }

  /* Hand over the answer, unchecked, as the native method does. */
  submit() {
    channel.tell({ kind: "answer", answer: collect(this.#form) });
  }

  /* Do what the Submit button does. */
  requestSubmit() {
    this.#form.requestSubmit();
  }

  reset() {
    this.#form.reset();
  }

  #check(event) {
    const wrong = firstProblem(this.#form);
    if (!wrong) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    wrong.control.focus();
    channel.tell({ kind: "incomplete", message: wrong.message });
  }

  #changed() {
    // What was complained about may be mended now.
    if (this.#form.querySelector(".crowd-error:not([hidden])")) firstProblem(this.#form);
    channel.tell({ kind: "draft", fields: draft(this.#form) });
  }
}

const SUBMITS =
  'crowd-button[form-action="submit"], button:not([type]), button[type="submit"], ' +
  'input[type="submit"], input[type="image"]';
