/* Takes the access code out of the link's fragment, which the server never sees. */

import { look } from "./post.js";

const name = document.getElementById("name");
const code = document.getElementById("code");
function takeCode() {
  const brought = new URLSearchParams(location.hash.slice(1)).get("code");
  if (brought) {
    // Out of the address, so that it is not in a screenshot or a bookmark.
    history.replaceState(null, "", location.pathname + location.search);
    sessionStorage.setItem("portal-code", brought);
  }
  // One that was refused is typed by hand.
  const refused = document.getElementById("problem")?.textContent.includes("code");
  const known = brought ?? (refused ? null : sessionStorage.getItem("portal-code"));
  if (!known) return;
  code.value = known;
  document.getElementById("code-field").hidden = true;
  document.getElementById("code-known").hidden = false;
}

takeCode();
// A link that is followed on this very page.
addEventListener("hashchange", takeCode);
name.value ||= localStorage.getItem("portal-name") ?? "";
(name.value && !code.value ? code : name).focus();
document.getElementById("sign-in").addEventListener("submit", () => {
  localStorage.setItem("portal-name", name.value.trim());
});

// A link from another site comes without the cookie of who is signed in; this request has it.
const state = await look().catch(() => null);
if (state?.worker) location.replace("./");
