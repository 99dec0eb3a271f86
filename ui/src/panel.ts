import "@gouvfr/dsfr/dist/core/core.main.css";
import "@gouvfr/dsfr/dist/scheme/scheme.css";
import "@gouvfr/dsfr/dist/component/form/form.main.css";
import "@gouvfr/dsfr/dist/component/input/input.main.css";
import "@gouvfr/dsfr/dist/component/select/select.main.css";
import "@gouvfr/dsfr/dist/component/checkbox/checkbox.main.css";
import "@gouvfr/dsfr/dist/component/alert/alert.main.css";
import "@gouvfr/dsfr/dist/component/button/button.main.css";
import { panelIpc } from "./lib/ipc";
import { start } from "./lib/start";
import Panel from "./Panel.svelte";
import "./style.css";
import "./form.css";

start(Panel, { ipc: panelIpc });
