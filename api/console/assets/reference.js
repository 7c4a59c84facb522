"use strict";

// The reference of the API is shown in place of its list once it is there whole. What is tried is asked for by the session
// that has this page: its cookie alone does not serve, the header beside it says that this page asks.
(async () => {
	const place = document.querySelector("[data-reference]"), list = document.querySelector("[data-reference-list]");
	const says = document.querySelector("[data-reference-says]");
	const answer = await fetch(place.dataset.reference).catch(() => null);
	const spec = answer?.ok ? await answer.json().catch(() => null) : null;
	if (!spec || !window.SwaggerUIBundle) {
		says.textContent = "The reference could not be loaded, so that nothing can be tried here; load the page again.";
		return;
	}
	const bySession = new Set();
	for (const [path, methods] of Object.entries(spec.paths)) {
		for (const [method, operation] of Object.entries(methods)) {
			if (operation.security?.some((way) => way.session)) bySession.add(method + " " + path);
			delete operation.security;
		}
	}
	// There is nothing to be typed in: other credentials than the session's have no place in a page.
	delete spec.components.securitySchemes;
	// Swagger UI has fields, buttons and texts that scroll which neither a screen reader names nor a keyboard reaches.
	const name = () => {
		for (const field of place.querySelectorAll(":is(select, input, textarea):not([aria-label])")) {
			const row = field.closest("tr");
			const of = row?.querySelector(".parameter__name")?.firstChild?.textContent ?? field.closest("label")?.textContent ?? field.placeholder;
			field.setAttribute("aria-label", of || "Value");
		}
		for (const button of place.querySelectorAll(".copy-to-clipboard button:not([aria-label])")) button.setAttribute("aria-label", "Copy");
		for (const text of place.querySelectorAll("pre:not([tabindex])")) text.tabIndex = 0;
	};
	new MutationObserver(name).observe(place, { childList: true, subtree: true });
	SwaggerUIBundle({
		spec, domNode: place, docExpansion: "none", filter: true, deepLinking: false, validatorUrl: null, persistAuthorization: false,
		defaultModelsExpandDepth: -1, syntaxHighlight: { activated: false }, showMutatedRequest: false,
		plugins: [() => ({ statePlugins: { spec: { wrapSelectors: {
			allowTryItOutFor: () => (_, path, method) => bySession.has(method + " " + path),
		} } } })],
		requestInterceptor: (request) => {
			if (request.url.startsWith(location.origin + "/")) request.headers["X-CSRF-Token"] = place.dataset.scriptToken;
			return request;
		},
		onComplete: () => {
			list.hidden = true;
			place.parentElement.hidden = false;
			says.textContent = "What is under /v1/ can be tried here: it is done in earnest, with your own rights.";
		},
	});
})();
