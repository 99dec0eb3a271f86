/** Focuses the heading of a view that appears, unless a question that comes first has the focus. */
export function focusHeading(heading: HTMLElement | undefined): void {
  if (!document.activeElement?.closest("[aria-labelledby=prompt]")) heading?.focus();
}

/** Gives the focus, if it was lost with what had it, to an element; without it, to the view's heading, else to the search. */
export function restoreFocus(wanted: Element | null): void {
  if (document.activeElement !== document.body) return;
  const kept = wanted !== document.body && wanted?.isConnected ? wanted : null;
  const found = kept ?? document.querySelector("main h1[tabindex]") ?? document.getElementById("search");
  if (found instanceof HTMLElement) found.focus();
}
