import { createContext } from "svelte";
import type { Action } from "./bindings/Action";
import type { Ipc } from "./ipc";

/** Requests an action. */
type Request = (action: Action) => void;

const [getRequest, setRequest] = createContext<Request>();
export { getRequest };

/** Gives all components below this one the function to request actions. */
export function provideRequest(ipc: Ipc): Request {
  // An action that the model no longer offers is refused; the new model is already on its way.
  return setRequest((action) => void ipc.request(action).catch(console.warn));
}
