/** The three kinds of patch of the API server, as far as the daemon uses them. */

export type Json = Record<string, unknown>;

/** A patch that does not apply; the API server answers with `status`. */
export class PatchRefused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** RFC 7396. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Kubernetes' own: as a merge patch, but conditions are merged by their type. */
export function strategicPatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === 'conditions' && Array.isArray(value)) {
      const merged = new Map(((result[key] ?? []) as Json[]).map((each) => [each['type'], each]));
      for (const each of value as Json[]) merged.set(each['type'], { ...merged.get(each['type']), ...each });
      result[key] = [...merged.values()];
    } else result[key] = strategicPatch(result[key], value);
  }
  return result;
}

/** RFC 6902: test, add, replace and remove. */
export function jsonPatch(target: unknown, operations: unknown): unknown {
  let result: unknown = structuredClone(target);
  for (const { op, path, value } of operations as readonly { op: string; path: string; value?: unknown }[]) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    let holder: unknown = result;
    for (const key of keys) holder = isObject(holder) ? holder[key] : undefined;
    if (!isObject(holder) || (op !== 'add' && !(last in holder)))
      throw new PatchRefused(422, `${op} ${path}: no such field`);
    if (op === 'test') {
      if (JSON.stringify(holder[last]) !== JSON.stringify(value)) throw new PatchRefused(422, `test ${path} failed`);
    } else if (op === 'remove') delete holder[last];
    else holder[last] = value;
  }
  return result;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
