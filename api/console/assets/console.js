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

// A form that was sent is not sent again by a second click, whenever it came into the page.
document.addEventListener("submit", (event) => {
	if (event.defaultPrevented) return;
	for (const button of event.target.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
});
document.addEventListener("click", (event) => {
	if (event.target.closest("form button[aria-disabled=true]")) event.preventDefault();
});
window.addEventListener("pageshow", () => {
	for (const button of document.querySelectorAll("button[aria-disabled=true]")) button.removeAttribute("aria-disabled");
});

// The browser's own zone is offered where one chooses the zone of times.
for (const list of document.querySelectorAll("#zones")) {
	const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
	if (own && own !== "UTC") list.append(new Option(own, own));
}

// A page with a live part gets that part anew as often as it has changed. What would move under the reader's eyes or
// hands waits until they ask for it: other rows than those that are shown, and a part that they work in.
function live(region, control) {
	const says = control.querySelector("[data-live-says]");
	const pause = control.querySelector("[data-live-pause]");
	const show = control.querySelector("[data-live-show]");
	const held = new Map();
	let paused = false, source = null;

	const keys = (part) => Array.from(part.querySelectorAll("[data-key]"), (row) => row.dataset.key).join(" ");
	const partOf = (name) => region.querySelector(`[data-part="${CSS.escape(name)}"]`);
	const worksIn = (part) => {
		const selection = getSelection();
		return part.contains(document.activeElement) || part.querySelector("input:checked, dialog[open]") !== null ||
			!selection.isCollapsed && selection.containsNode(part, true);
	};
	const say = (text) => {
		const line = text ?? (paused ? "Paused" : held.size ? "Live; there is something new" : "Live");
		if (says.textContent !== line) says.textContent = line;
		show.hidden = held.size === 0;
	};
	const take = (html) => {
		const fresh = new DOMParser().parseFromString(html, "text/html");
		for (const part of fresh.querySelectorAll("[data-part]")) {
			const name = part.dataset.part, old = partOf(name);
			if (!old) continue;
			held.delete(name);
			const next = document.importNode(part, true);
			if (old.isEqualNode(next)) continue;
			if (paused || worksIn(old) || keys(old) !== keys(next)) held.set(name, next);
			else old.replaceWith(next);
		}
		say();
	};
	const close = () => {
		source?.close();
		source = null;
	};
	const open = () => {
		if (source || document.hidden) return;
		source = new EventSource(location.href);
		source.addEventListener("live", (event) => take(event.data));
		source.addEventListener("over", (event) => {
			close();
			say("Not live any more: " + event.data);
		});
		source.addEventListener("error", () => {
			if (source?.readyState === EventSource.CLOSED) {
				close();
				say("Not live any more; load the page again");
			}
		});
	};
	pause.addEventListener("click", () => {
		paused = !paused;
		pause.setAttribute("aria-pressed", String(paused));
		say();
	});
	show.addEventListener("click", () => {
		for (const [name, part] of held) partOf(name)?.replaceWith(part);
		held.clear();
		pause.focus();
		say();
	});
	document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
	window.addEventListener("pagehide", close);
	window.addEventListener("pageshow", open);
	control.hidden = false;
	open();
}
const liveRegion = document.querySelector("[data-live]"), liveControl = document.querySelector("[data-live-control]");
if (liveRegion && liveControl && window.EventSource) live(liveRegion, liveControl);

// A text that the server judges is judged while one types, once one rests.
for (const form of document.querySelectorAll("form[data-judge]")) {
	const faults = form.querySelector("[role=status]");
	let waiting = 0, round = 0;
	form.addEventListener("input", () => {
		clearTimeout(waiting);
		waiting = setTimeout(async () => {
			const mine = ++round;
			const answer = await fetch(form.dataset.judge, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "error" }).catch(() => null);
			if (!answer?.ok || mine !== round) return;
			const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(faults.id);
			if (fresh) faults.replaceChildren(...document.importNode(fresh, true).childNodes);
		}, 400);
	});
}

// A file that is dropped beside its field is as if it was chosen there.
for (const place of document.querySelectorAll("[data-drop]")) {
	const field = place.querySelector("input[type=file]"), hint = place.querySelector("[data-drop-hint]");
	hint.hidden = false;
	const over = (is) => place.classList.toggle("over", is);
	place.addEventListener("dragover", (event) => {
		event.preventDefault();
		over(true);
	});
	place.addEventListener("dragleave", () => over(false));
	place.addEventListener("drop", (event) => {
		event.preventDefault();
		over(false);
		if (event.dataTransfer.files.length === 0) return;
		if (event.dataTransfer.files.length > 1) {
			hint.textContent = "Those are several files; drop one.";
			return;
		}
		field.files = event.dataTransfer.files;
		field.dispatchEvent(new Event("change", { bubbles: true }));
		field.focus();
	});
	// One that is dropped beside it would be shown in place of the page.
	for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
	field.addEventListener("change", () => {
		hint.textContent = field.files.length ? `${field.files[0].name}, ${field.files[0].size} bytes` : "Nothing is chosen.";
	});
}
