"use strict";

// The code of a sign-on stands behind the address's #, which is never sent: it goes into the form, and out of the
// address.
for (const form of document.querySelectorAll("form[data-code-from-address]")) {
	const code = location.hash.slice(1);
	if (code) {
		form.elements.sign_on_code.value = code;
		history.replaceState(null, "", location.pathname);
	}
}

// A form that was sent is not sent again by a second click.
for (const form of document.forms) {
	form.addEventListener("submit", () => {
		for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
	});
	form.addEventListener("click", (event) => {
		if (event.target.closest("button[aria-disabled=true]")) event.preventDefault();
	});
}
window.addEventListener("pageshow", () => {
	for (const button of document.querySelectorAll("button[aria-disabled=true]")) button.removeAttribute("aria-disabled");
});
