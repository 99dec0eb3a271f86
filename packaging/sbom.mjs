// Copies a CycloneDX list without what differs from run to run: serial number, time, order, and the folder of the sources.
import { readFileSync } from "node:fs";

const sbom = JSON.parse(readFileSync(0, "utf8").replaceAll(`file://${process.cwd()}`, "file:///vigie"));
delete sbom.serialNumber;
sbom.metadata.timestamp = new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toISOString();
const order = (key) => (a, b) => (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0);
sbom.components?.sort(order("bom-ref"));
sbom.dependencies?.sort(order("ref"));
process.stdout.write(`${JSON.stringify(sbom, null, 2)}\n`);
