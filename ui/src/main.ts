import "@gouvfr/dsfr/dist/core/core.main.css";
import "@gouvfr/dsfr/dist/scheme/scheme.css";
import "@gouvfr/dsfr/dist/component/form/form.main.css";
import "@gouvfr/dsfr/dist/component/input/input.main.css";
import "@gouvfr/dsfr/dist/component/select/select.main.css";
import "@gouvfr/dsfr/dist/component/checkbox/checkbox.main.css";
import "@gouvfr/dsfr/dist/component/button/button.main.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { followSystemTheme } from "./lib/theme";
import { tray } from "./lib/tray";
import "./style.css";
import "./form.css";

followSystemTheme();

// A page of a program, not of a browser: nothing to save, to inspect, or to drop here. A field keeps its menu: many
// paste with it.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => event.preventDefault());
}
document.addEventListener("contextmenu", (event) => {
  if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
});

const target = document.getElementById("panel");
if (!target) throw new Error("index.html has no place for the panel");
mount(App, { target, props: { tray } });
