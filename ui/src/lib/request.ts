import { createContext } from "svelte";
import type { Action } from "./bindings/Action";
import type { Ipc } from "./ipc";

/** Requests an action. */
type Request = (action: Action) => void;

const [getRequest, setRequest] = createContext<Request>();
export { getRequest };

/** How long the same action is not requested again: a double click must not do everything twice. */
const REPEAT_MS = 1000;

/** Gives all components below this one the function to request actions; what the page itself does about one comes first. */
export function provideRequest(ipc: Ipc, handle?: Request): Request {
  let last = "";
  let at = 0;
  return setRequest((action) => {
    handle?.(action);
    const [asked, now] = [JSON.stringify(action), performance.now()];
    if (asked === last && now - at < REPEAT_MS) return;
    [last, at] = [asked, now];
    // An action that the model no longer offers is refused; the new model is already on its way.
    void ipc.request(action).catch(console.warn);
  });
}
