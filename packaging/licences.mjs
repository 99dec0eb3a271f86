// Writes the licences of the libraries in a package: the crates that are compiled in for one target, and the npm packages in
// the page. Each text appears once, below the names of the libraries that have it. Needs no network: the sources are present,
// because they were compiled.
// usage: node packaging/licences.mjs TARGET >LICENCES-TIERCES.txt     (for example x86_64-unknown-linux-gnu)
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const target = process.argv[2];
if (!target) throw new Error("usage: node packaging/licences.mjs TARGET");

/** Returns the crates that are compiled into the programs: not those of build scripts, proc macros and tests. */
function crates() {
  const options = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", target];
  const output = execFileSync("cargo", options, { cwd: root, maxBuffer: 1 << 28, encoding: "utf8" });
  const { packages, resolve, workspace_members: own } = JSON.parse(output);
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const found = new Set();
  const left = [resolve.root];
  while (left.length > 0) {
    const id = left.pop();
    if (found.has(id)) continue;
    found.add(id);
    const normal = nodes.get(id).deps.filter((dep) => dep.dep_kinds.some(({ kind }) => kind === null));
    left.push(...normal.map((dep) => dep.pkg));
  }
  return packages
    .filter(({ id }) => found.has(id) && !own.includes(id))
    .map(({ name, version, license, manifest_path }) => ({ name, version, license, folder: dirname(manifest_path) }));
}

/** Returns the page's dependencies, from the lock file, without those for development, which are not in the page. */
function npm() {
  const lock = JSON.parse(readFileSync(join(root, "ui/package-lock.json"), "utf8"));
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && !dev)
    .map(([path, { version, license }]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      return { name, version, license, folder: join(root, "ui", path) };
    })
    // An optional package for another system is not installed.
    .filter(({ folder }) => existsSync(folder));
}

const texts = new Map();
const bare = [];
for (const { name, version, license, folder } of [...crates(), ...npm()]) {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(entry.name))
    .map((entry) => readFileSync(join(folder, entry.name), "utf8").replaceAll("\r\n", "\n").trim());
  const title = `${name} ${version}${license && !license.startsWith("SEE ") ? ` (${license})` : ""}`;
  if (files.length === 0) bare.push(title);
  for (const text of files) texts.set(text, [...(texts.get(text) ?? []), title]);
}

if (target.includes("windows")) {
  texts.set(readFileSync(join(import.meta.dirname, "windows/WebView2Loader.txt"), "utf8").trim(), ["WebView2Loader.dll"]);
}

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const blocks = [...texts]
  .map(([text, titles]) => [[...new Set(titles)].sort(order).join("\n"), text])
  .sort(([a], [b]) => order(a, b));
const line = "=".repeat(100);
const head = [
  "Licences des bibliothèques que Vigie contient. Vigie elle-même : EUPL-1.2.",
  "La police Marianne n’est pas sous licence libre : elle est réservée aux services de l’État.",
];
const without = ["Sans fichier de licence dans leurs sources, sous la licence qu’elles déclarent :", ...bare.sort(order)];
process.stdout.write([head.join("\n"), ...blocks.map((block) => block.join("\n\n")), without.join("\n")].join(`\n\n${line}\n\n`) + "\n");
