import "@gouvfr/dsfr/dist/core/core.main.css";
import "@gouvfr/dsfr/dist/scheme/scheme.css";
import "@gouvfr/dsfr/dist/component/button/button.main.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { followSystemTheme } from "./lib/theme";
import { tray } from "./lib/tray";
import "./style.css";

followSystemTheme();

// A page of a program, not of a browser: nothing to save, to inspect, or to drop here.
for (const name of ["contextmenu", "dragover", "drop"]) {
  document.addEventListener(name, (event) => event.preventDefault());
}

const target = document.getElementById("panel");
if (!target) throw new Error("index.html has no place for the panel");
mount(App, { target, props: { tray } });
