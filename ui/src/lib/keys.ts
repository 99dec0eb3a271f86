/** Pairs each item with a key for `{#each}` that is unique even if two items have the same name. */
export function withKeys<T>(items: readonly T[], name: (item: T) => string): { key: string; item: T }[] {
  const counts = new Map<string, number>();
  return items.map((item) => {
    const base = name(item);
    const count = counts.get(base) ?? 0;
    counts.set(base, count + 1);
    return { key: count === 0 ? base : `${base} ${count}`, item };
  });
}
