import captive from "../../../icons/captive.svg";
import connected from "../../../icons/connected.svg";
import connecting from "../../../icons/connecting.svg";
import disconnected from "../../../icons/disconnected.svg";
import offline from "../../../icons/offline.svg";
import onSite from "../../../icons/on-site.svg";
import stalled from "../../../icons/stalled.svg";
import unknown from "../../../icons/unknown.svg";
import type { VpnStatus } from "./bindings/VpnStatus";

/** The icons of the tray. */
export const icons: Record<VpnStatus, string> = {
  captive,
  connected,
  connecting,
  disconnected,
  offline,
  "on-site": onSite,
  stalled,
  unknown,
};
