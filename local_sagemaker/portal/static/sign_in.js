/* Takes the access code out of the link's fragment, which the server never sees. */

import { look } from "./post.js";

const name = document.getElementById("name");
const code = document.getElementById("code");
const brought = new URLSearchParams(location.hash.slice(1)).get("code");
if (brought) {
  // Out of the address, so that it is not in a screenshot or a bookmark.
  history.replaceState(null, "", location.pathname + location.search);
  sessionStorage.setItem("portal-code", brought);
}
// After a name that was refused the code is not asked for once more.
const known = document.getElementById("problem")?.textContent.includes("code")
  ? null
  : sessionStorage.getItem("portal-code");
if (known) {
  code.value = known;
  document.getElementById("code-field").hidden = true;
  document.getElementById("code-known").hidden = false;
}
name.value ||= localStorage.getItem("portal-name") ?? "";
(name.value && !code.value ? code : name).focus();
document.getElementById("sign-in").addEventListener("submit", () => {
  localStorage.setItem("portal-name", name.value.trim());
});

// A link from another site comes without the cookie of who is signed in; this request has it.
const state = await look().catch(() => null);
if (state?.worker) location.replace("./");
