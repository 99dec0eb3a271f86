import fc from "fast-check";
import { expect, test } from "vitest";
import { left } from "./left";

const MINUTE = 60_000;

test.each([
  [0, ""],
  [-5, ""],
  [0.5, "dans moins d’une minute"],
  [1, "dans moins d’une minute"],
  [1.5, "dans 2 minutes"],
  [29, "dans 29 minutes"],
  [60, "dans 1 h"],
  [65, "dans 1 h 05"],
  [119.5, "dans 2 h"],
  [120, "dans plus de 2 heures"],
  [448, "dans plus de 7 heures"],
])("%d minutes ahead: %j", (minutes, words) => {
  expect(left(minutes * MINUTE, 0).words.replace(/\u00a0/g, " ")).toBe(words);
});

test("the words hold until they change, and change seldom", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 * 60 * MINUTE }), (ahead) => {
      const { words, next } = left(ahead, 0);
      if (next === null) throw new Error("it lies ahead");
      expect(next).toBeGreaterThan(0);
      expect(left(ahead, next - 1).words).toBe(words);
      expect(left(ahead, next).words).not.toBe(words);
    }),
  );
  let [now, wakes] = [0, 0];
  for (let next: number | null = 0; next !== null; wakes += 1) {
    now += next;
    next = left(8 * 60 * MINUTE, now).next;
  }
  expect(wakes).toBeLessThan(130);
});
