import { type Component, mount } from "svelte";
import { followSystemTheme } from "./theme";

/** Mounts a window's page, without what a browser offers and a program does not: dropping files, the context menu. */
export function start<Props extends Record<string, unknown>>(page: Component<Props>, props: Props): void {
  followSystemTheme();
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => event.preventDefault());
  }
  // Fields keep their menu: many people paste with it.
  document.addEventListener("contextmenu", (event) => {
    if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
  });
  mount(page, { target: document.body, props });
}
