import type { Filter } from '@aws-sdk/client-ec2';
import type { Tags } from '#cloud/provider.ts';
import { Ec2Error } from '../ec2-error.ts';

/** Filter name to the values that an item has for it. A filter matches when any value does. */
export type FilterTable<T> = Readonly<Record<string, (item: T) => readonly (string | number | boolean | undefined)[]>>;

/**
 * EC2's filters: all filters must match, each by one of its values; `*` stands for any characters, `?` for one, a
 * backslash takes their meaning away. `tag:KEY` and `tag-key` are known wherever `tagsOf` is given.
 */
export function applyFilters<T>(
  items: readonly T[],
  filters: readonly Filter[] | undefined,
  table: FilterTable<T>,
  tagsOf?: (item: T) => Tags,
): readonly T[] {
  if (filters === undefined || filters.length === 0) return items;
  const tests = filters.map((filter) => testOf(filter, table, tagsOf));
  return items.filter((item) => tests.every((test) => test(item)));
}

function testOf<T>(filter: Filter, table: FilterTable<T>, tagsOf?: (item: T) => Tags): (item: T) => boolean {
  const name = filter.Name ?? 'null';
  const select = Object.hasOwn(table, name) ? table[name] : tagSelector(name, tagsOf);
  if (select === undefined) throw new Ec2Error('InvalidParameterValue', `The filter '${name}' is invalid`);
  const patterns = filter.Values ?? [];
  if (patterns.length === 0) throw new Ec2Error('InvalidParameterValue', `The filter '${name}' has no value`);
  const matchers = patterns.map(matcherOf);
  return (item) =>
    select(item).some((value) => value !== undefined && matchers.some((matches) => matches(String(value))));
}

function tagSelector<T>(name: string, tagsOf?: (item: T) => Tags): FilterTable<T>[string] | undefined {
  if (tagsOf === undefined) return undefined;
  if (name === 'tag-key') return (item) => Object.keys(tagsOf(item));
  if (!name.startsWith('tag:')) return undefined;
  const key = name.slice('tag:'.length);
  return (item) => {
    const tags = tagsOf(item);
    return Object.hasOwn(tags, key) ? [tags[key]] : [];
  };
}

function matcherOf(pattern: string): (value: string) => boolean {
  if (!/[*?\\]/.test(pattern)) return (value) => value === pattern;
  const source = pattern.replace(/\\[*?\\]|[*?]|[.+^${}()|[\]\\]/g, (part) => {
    if (part === '*') return '[^]*';
    if (part === '?') return '[^]';
    return part.length === 2 ? part : `\\${part}`;
  });
  const expression = new RegExp(`^${source}$`);
  return (value) => expression.test(value);
}
