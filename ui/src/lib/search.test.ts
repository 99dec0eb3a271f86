import fc from "fast-check";
import { expect, test } from "vitest";
import type { Tool } from "./bindings/Tool";
import { search, words } from "./search";

function tool(label: string, detail = "", keywords = ""): Tool {
  return { label, detail, keywords, action: { do: "open", with: label } };
}

const tools = [
  tool("Cisco Secure Client", "Se connecter au VPN", "code PIN clé OTP cyclades toasca"),
  tool("Télémaintenance", "Prise en main à distance par l’assistance", "numéro de session"),
  tool("WAPT Self Service", "Installer ou mettre à jour un logiciel"),
  tool("Intranet", "Les applications métiers dans le navigateur", "Intranet https://monintranet.ac-caen.fr/"),
  tool("Filesender", "Échange de fichiers volumineux", "Outils du ministère"),
  tool("Cœur de métier", "Œuvres et cætera"),
  tool("Renvoi immédiat : *21 + n°", "Copier le code", "téléphone"),
  tool("Renvoi sur non-réponse : *22 + n°", "Copier le code", "téléphone"),
  tool("Lecteur U: données personnelles", "Ouvrir le lecteur réseau", "dossiers partagés"),
  tool("Lecteur S: données professionnelles", "Ouvrir le lecteur réseau", "dossiers partagés"),
];

const found = (query: string) => search(tools, query).map(({ label }) => label);

test.each([
  ["telemaintenance", "Télémaintenance"],
  ["TÉLÉ", "Télémaintenance"],
  ["te\u0301le\u0301m", "Télémaintenance"],
  ["coeur", "Cœur de métier"],
  ["cœur", "Cœur de métier"],
  ["caetera", "Cœur de métier"],
  ["l'intranet", "Intranet"],
  ["l’intranet", "Intranet"],
  ["monintranet", "Intranet"],
  ["échange de fichiers", "Filesender"],
  ["un fichier volumineux", "Filesender"],
  ["logiciels", "WAPT Self Service"],
  ["*21", "Renvoi immédiat : *21 + n°"],
  ["21", "Renvoi immédiat : *21 + n°"],
  ["renvoi imm", "Renvoi immédiat : *21 + n°"],
  ["lecteur u", "Lecteur U: données personnelles"],
  ["U:", "Lecteur U: données personnelles"],
  ["vpn", "Cisco Secure Client"],
  ["cle otp", "Cisco Secure Client"],
])("finds by %j", (query, label) => {
  expect(found(query)[0]).toBe(label);
});

test("every word must be found, and what fits best comes first", () => {
  expect(found("renvoi fichier")).toEqual([]);
  expect(found("renvoi")).toEqual(["Renvoi immédiat : *21 + n°", "Renvoi sur non-réponse : *22 + n°"]);
  expect(found("*2")).toHaveLength(2);
  expect(found("")).toEqual([]);
  expect(found(" ’ - ")).toEqual([]);
  expect(search([tool("Autre", "Intranet"), tool("Intranet")], "intranet").map(({ label }) => label)).toEqual(["Intranet", "Autre"]);
});

const text = fc.string({ unit: "binary", maxLength: 30 });
const some = fc.array(
  fc.record({ label: text, detail: text, keywords: text }).map(({ label, detail, keywords }) => tool(label, detail, keywords)),
  { maxLength: 5 },
);

test("no text harms it, and it finds nothing that is not there", () => {
  fc.assert(
    fc.property(some, text, (list, query) => {
      const result = search(list, query);
      expect(list).toEqual(expect.arrayContaining(result));
      expect(new Set(result).size).toBe(result.length);
    }),
  );
});

const letters = fc.stringMatching(/^[a-zàâçéèêëîïôùûœæ]{4,12}$/);

test("a tool is found by the beginning of any of its words, however they are written", () => {
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 4 }), fc.nat(), fc.integer({ min: 3, max: 12 }), (label, which, length) => {
      const word = label[which % label.length] ?? "";
      const made = tool(label.join(" "));
      for (const query of [word, word.toUpperCase(), word.normalize("NFD"), word.normalize("NFD").replace(/\p{M}/gu, "").slice(0, length)]) {
        expect(search([made], query), query).toEqual([made]);
      }
    }),
  );
});

test("another word more finds no more", () => {
  fc.assert(
    fc.property(fc.constantFrom(...tools.flatMap(({ label }) => words(label))), letters, (word, other) => {
      const [fewer, more] = [search(tools, `${word} ${other}`), search(tools, word)];
      if (search(tools, word).length > 0 && fewer.length > more.length) throw new Error(`${word} ${other}`);
    }),
  );
});
