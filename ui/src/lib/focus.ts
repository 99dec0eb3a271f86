import { ignorePointer } from "./pointer";

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

/**
 * Watches what has the focus or was pressed last. When it goes, what moves there takes no click for a time, and the next
 * button of its list gets the focus. Returns the function that ends this.
 */
export function followFocus(): () => void {
  let last: Element | null | undefined;
  let buttons: Element[] = [];
  const remember = ({ target }: Event): void => {
    last = target instanceof Element ? target.closest("button, input, select, summary, [tabindex]") : null;
    buttons = [...(last?.closest("ul, ol, section")?.querySelectorAll("button") ?? [])];
  };
  const observer = new MutationObserver(() => {
    if (!last || last.isConnected) return;
    const at = buttons.indexOf(last);
    const others = [...buttons.slice(at + 1), ...buttons.slice(0, Math.max(at, 0)).reverse()];
    last = undefined;
    if (document.activeElement !== document.body) return;
    ignorePointer();
    // After those who know better where the focus goes.
    setTimeout(() => restoreFocus(others.find((button) => button.isConnected) ?? null));
  });
  observer.observe(document.body, { childList: true, subtree: true });
  const events = ["focusin", "mousedown"];
  for (const name of events) document.addEventListener(name, remember);
  return () => {
    observer.disconnect();
    for (const name of events) document.removeEventListener(name, remember);
  };
}
