import "@gouvfr/dsfr/dist/core/core.main.css";
import "@gouvfr/dsfr/dist/scheme/scheme.css";
import "@gouvfr/dsfr/dist/component/form/form.main.css";
import "@gouvfr/dsfr/dist/component/input/input.main.css";
import "@gouvfr/dsfr/dist/component/select/select.main.css";
import "@gouvfr/dsfr/dist/component/checkbox/checkbox.main.css";
import "@gouvfr/dsfr/dist/component/password/password.main.css";
import "@gouvfr/dsfr/dist/component/alert/alert.main.css";
import "@gouvfr/dsfr/dist/component/button/button.main.css";
import { mount } from "svelte";
import Connect from "./Connect.svelte";
import { connecting } from "./lib/connecting";
import { followSystemTheme } from "./lib/theme";
import "./style.css";
import "./form.css";

followSystemTheme();

// A page of a program, not of a browser. A field keeps its menu: many paste with it.
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => event.preventDefault());
}
document.addEventListener("contextmenu", (event) => {
  if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
});

const target = document.getElementById("connect");
if (!target) throw new Error("connect.html has no place for the form");
mount(Connect, { target, props: { tray: connecting } });
