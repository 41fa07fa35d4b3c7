/* crowd-classifier, crowd-classifier-multi-select and crowd-image-classifier: a list of categories,
   chosen by mouse, by keyboard or by number. */

/* Return the list in an attribute. Templates write JSON, and JavaScript's single quotes as well. */
function readList(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.map(nameOf) : [];
  } catch {
    return [...text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/gs)].map(([, one, other]) =>
      (one ?? other).replace(/\\(.)/gs, "$1"),
    );
  }
}

function nameOf(item) {
  return typeof item === "object" && item !== null ? String(item.label ?? item.text ?? "") : String(item);
}

/* Return the text of an exclusion category: JSON, or `{ text: 'None of the above' }`. */
function readText(attribute) {
  const found = /["']?text["']?\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/s.exec(attribute);
  return found ? (found[1] ?? found[2]).replace(/\\(.)/gs, "$1") : "";
}

class Classifier extends HTMLElement {
  static many = false;
  #ready = false;
  _inputs = [];
  _exclusion = null;

  connectedCallback() {
    if (this.#ready) return;
    this.#ready = true;
    const full = takeRegion(this, "full-instructions");
    const short = takeRegion(this, "short-instructions");
    const target = takeRegion(this, "classification-target") ?? this._picture();
    const names = readList(this.getAttribute("categories") ?? "[]");
    const exclusion = this.constructor.many ? readText(this.getAttribute("exclusion-category") ?? "") : "";
    const panels = [];
    if (full) panels.push(["Instructions", full, false]);
    if (names.length) panels.push(["Shortcuts", shortcutsPanel(names, exclusion, this.constructor.many), false]);
    const task = document.createElement("div");
    task.className = "crowd-task";
    if (target) {
      target.classList.add("crowd-target");
      target.id ||= newId();
      task.append(target);
    }
    task.append(this._choices(names, exclusion, short, target));
    // What else the template put in goes with it.
    const rest = [...this.childNodes];
    this.append(...(panels.length ? panelBar(panels) : []), ...rest, task);
  }

  _picture() {
    return null;
  }

  _choices(names, exclusion, short, target) {
    const { many } = this.constructor;
    const group = document.createElement("fieldset");
    group.className = "crowd-choices";
    const legend = document.createElement("legend");
    legend.textContent =
      this.getAttribute("header") || (many ? "Choose all that fit" : "Choose the one that fits");
    group.append(legend);
    if (short) {
      short.classList.add("crowd-short");
      group.append(short);
    }
    if (target) group.setAttribute("aria-describedby", target.id);
    if (!names.length) {
      const note = document.createElement("p");
      note.className = "crowd-unavailable";
      note.textContent = "This task names no categories to choose from.";
      group.append(note);
    }
    const shared = newId();
    names.forEach((name, index) => group.append(this._option(name, index, shared)));
    if (exclusion) {
      const option = this._option(exclusion, names.length, shared);
      option.classList.add("crowd-exclusion");
      group.append(option);
      this._exclusion = this._inputs.pop();
      this._keepApart();
    }
    this._group = group;
    return group;
  }

  _option(name, index, shared) {
    const label = document.createElement("label");
    label.className = "crowd-option";
    const input = document.createElement("input");
    input.type = this.constructor.many ? "checkbox" : "radio";
    input.name = shared;
    input.value = name;
    input.setAttribute(INNER, "");
    const text = document.createElement("span");
    text.textContent = name;
    label.append(input, text);
    if (index < 10) {
      const key = document.createElement("kbd");
      key.textContent = String((index + 1) % 10);
      key.setAttribute("aria-hidden", "true");
      label.append(key);
    }
    this._inputs.push(input);
    return label;
  }

  /* "None of these" and the categories rule each other out. */
  _keepApart() {
    this._exclusion.addEventListener("change", () => {
      if (this._exclusion.checked) this._inputs.forEach((input) => (input.checked = false));
    });
    for (const input of this._inputs)
      input.addEventListener("change", () => {
        if (input.checked) this._exclusion.checked = false;
      });
  }

  /* Choose by number, from 0 on; return whether there is such a category. */
  choose(index) {
    const input = [...this._inputs, ...(this._exclusion ? [this._exclusion] : [])][index];
    if (!input) return false;
    input.focus();
    input.click();
    return true;
  }

  answer() {
    const name = this.getAttribute("name");
    if (!name) return [];
    const chosen = this._inputs.filter((input) => input.checked).map((input) => input.value);
    if (this.constructor.many) return [[name, { labels: chosen }]];
    return chosen.length ? [[name, { label: chosen[0] }]] : [];
  }

  get errorPlace() {
    return this._group;
  }

  problem() {
    const all = [...this._inputs, ...(this._exclusion ? [this._exclusion] : [])];
    const missing = all.length > 0 && !all.some((input) => input.checked);
    const message = this.constructor.many ? "Choose at least one category." : "Choose a category.";
    return [missing ? message : "", all[0] ?? this._group, this._group];
  }
}

class CrowdClassifier extends Classifier {}

class CrowdClassifierMultiSelect extends Classifier {
  static many = true;
}

class CrowdImageClassifier extends Classifier {
  _picture() {
    const box = document.createElement("div");
    const picture = document.createElement("img");
    picture.src = this.getAttribute("src") ?? "";
    picture.alt = "The picture to classify";
    box.append(picture);
    return box;
  }
}

function shortcutsPanel(names, exclusion, many) {
  const box = document.createElement("div");
  const list = document.createElement("dl");
  const add = (key, meaning) => {
    const term = document.createElement("dt");
    const cap = document.createElement("kbd");
    cap.textContent = key;
    term.append(cap);
    const what = document.createElement("dd");
    what.textContent = meaning;
    list.append(term, what);
  };
  [...names, ...(exclusion ? [exclusion] : [])]
    .slice(0, 10)
    .forEach((name, index) => add(String((index + 1) % 10), many ? `${name} (on and off)` : name));
  add("Ctrl + Enter", "Submit (⌘ + Enter on a Mac)");
  const label = document.createElement("label");
  label.className = "crowd-switch";
  const box_ = document.createElement("input");
  box_.type = "checkbox";
  box_.setAttribute(INNER, "");
  box_.setAttribute("form", "");
  box_.checked = shortcuts.digits;
  box_.addEventListener("change", () => shortcuts.set(box_.checked));
  shortcuts.watch((on) => (box_.checked = on));
  label.append(box_, " Number keys choose a category");
  box.append(list, label);
  return box;
}
