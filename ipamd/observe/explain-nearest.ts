/** Names that somebody may have meant. */

/** The `most` candidates nearest to a text: those that contain it or are contained in it, then by edit distance. */
export function nearest(text: string, candidates: readonly string[], most = 5): readonly string[] {
  const ranked = [...new Set(candidates)].map((candidate) => ({ candidate, distance: distance(text, candidate) }));
  return ranked
    .toSorted((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, most)
    .map(({ candidate }) => candidate);
}

function distance(a: string, b: string): number {
  if (a !== '' && (b.includes(a) || a.includes(b))) return 0;
  return editDistance(a.slice(0, 300), b.slice(0, 300));
}

/** Levenshtein's: insertions, deletions and replacements of one character. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
