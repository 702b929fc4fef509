/** The parameters of a request as its form has them, to be sent on with some of them changed. Pure. */
import type { Parameters } from './upstream.ts';

export function parametersOf(form: string): Parameters {
  return [...new URLSearchParams(form)];
}

/** Without the parameters of these names, and those below them. */
export function without(parameters: Parameters, names: readonly string[]): Parameters {
  return parameters.filter(([name]) => !names.some((gone) => name === gone || name.startsWith(`${gone}.`)));
}

/** The entries of a list `<name>.<n>...`, each with its own parameters, e.g. `Filter.2.Name` as `Name`. */
export function entriesOf(parameters: Parameters, name: string): readonly Parameters[] {
  const found = new Map<number, [string, string][]>();
  for (const [key, value] of parameters) {
    const match = key.startsWith(`${name}.`) ? /^(\d+)(?:\.(.*))?$/.exec(key.slice(name.length + 1)) : null;
    if (match === null) continue;
    const index = Number(match[1]);
    found.set(index, [...(found.get(index) ?? []), [match[2] ?? '', value]]);
  }
  return [...found].toSorted(([one], [other]) => one - other).map(([, entry]) => entry);
}

/** The list again, numbered from 1. */
export function listed(name: string, entries: readonly Parameters[]): Parameters {
  return entries.flatMap((entry, index) =>
    entry.map(([key, value]) => [`${name}.${index + 1}${key === '' ? '' : `.${key}`}`, value] as const),
  );
}

/** Divides the list of that name: the request with those that stay, and whether any went. */
export function keepEntries(
  parameters: Parameters,
  name: string,
  stays: (entry: Parameters) => boolean,
): { readonly kept: Parameters; readonly some: boolean; readonly changed: boolean } {
  const entries = entriesOf(parameters, name);
  const kept = entries.filter(stays);
  return {
    kept: [...without(parameters, [name]), ...listed(name, kept)],
    some: kept.length > 0,
    changed: kept.length < entries.length,
  };
}

export function valueOf(parameters: Parameters, name: string): string | undefined {
  return parameters.find(([key]) => key === name)?.[1];
}
