/** How long what has changed under the pointer takes no click. */
const INERT_MS = 500;
/** The same, if a click there answers a question or cancels something. */
export const LONG_INERT_MS = 1000;

let timer: ReturnType<typeof setTimeout> | undefined;

/**
 * Takes no click for a time, after what is under the pointer was replaced: the second click of a double click must not
 * reach what is there now. Keys work as ever.
 */
export function ignorePointer(milliseconds = INERT_MS): void {
  document.body.style.pointerEvents = "none";
  // A click that does nothing must not take the focus away either.
  addEventListener("mousedown", keepFocus);
  clearTimeout(timer);
  timer = setTimeout(() => {
    document.body.style.pointerEvents = "";
    removeEventListener("mousedown", keepFocus);
  }, milliseconds);
}

/** Ignores all but the first click of a double click, which would undo or repeat the first. Returns the end of this. */
export function ignoreDoubleClicks(): () => void {
  const ignore = (event: MouseEvent): void => {
    if (event.detail < 2) return;
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener("click", ignore, true);
  return () => document.removeEventListener("click", ignore, true);
}

function keepFocus(event: MouseEvent): void {
  event.preventDefault();
}
