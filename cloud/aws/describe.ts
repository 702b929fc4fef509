import type { Filters } from '../provider.ts';
import type { Filter } from '@aws-sdk/client-ec2';
import { CloudError } from '../errors.ts';

/** DescribeNetworkInterfaces and DescribeSubnets: the largest MaxResults; not allowed together with ids. */
const PAGE_SIZE = 1000;
/** EC2 takes 200 values a filter, and pages of ids are kept at the same size. */
const MAX_VALUES = 200;
/** DescribeInstanceTypes: "InstanceTypes ... up to 100". */
export const MAX_INSTANCE_TYPES = 100;

/** The part of a Describe's input that selects. */
export interface Selection {
  readonly ids: readonly string[] | undefined;
  readonly filters: Filter[] | undefined;
  readonly maxResults: number | undefined;
}

/**
 * The requests that together select what `request` asks for, each within EC2's limits on ids and filter values.
 * No ids at all means "any"; an empty list of ids, or of a filter's values, means "none" and needs no request.
 */
export function selectionsOf(request: { readonly ids?: readonly string[]; readonly filters?: Filters }): Selection[] {
  const idChunks = request.ids === undefined ? [undefined] : chunk([...new Set(request.ids)], MAX_VALUES);
  const filterSets = filterSetsOf(request.filters ?? {});
  return idChunks.flatMap((ids) =>
    filterSets.map((filters) => ({
      ids,
      filters: filters.length === 0 ? undefined : filters,
      maxResults: ids === undefined ? PAGE_SIZE : undefined,
    })),
  );
}

/** Every combination of value chunks: EC2 ANDs the filters and ORs the values of one, so the union is what was asked. */
function filterSetsOf(filters: Filters): Filter[][] {
  return Object.entries(filters).reduce<Filter[][]>(
    (sets, [Name, values]) =>
      chunk([...new Set(values)], MAX_VALUES).flatMap((Values) => sets.map((set) => [...set, { Name, Values }])),
    [[]],
  );
}

/** Follows NextToken to the end. A token that comes back unchanged would go round for ever; it is an unreadable answer. */
export async function allPages<T>(
  operation: string,
  page: (token: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  const seen = new Set<string>();
  let token: string | undefined;
  for (;;) {
    const { items, next } = await page(token);
    all.push(...items);
    if (next === undefined || next === '') return all;
    if (seen.has(next)) throw new CloudError('unavailable', operation, `the same NextToken came twice: ${next}`);
    seen.add(next);
    token = next;
  }
}

/** The list of an answer; an answer without it cannot be read. */
export function listOf<T>(operation: string, name: string, list: readonly T[] | undefined): readonly T[] {
  if (list === undefined) throw new CloudError('unavailable', operation, `the answer has no ${name}`);
  return list;
}

/** The field of an answer; an answer without it cannot be read. */
export function fieldOf(operation: string, name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new CloudError('unavailable', operation, `the answer has no ${name}`);
  return value;
}

export function chunk<T>(values: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size));
}

/** The first of each key, in order: chunks of one request may select the same thing twice. */
export function distinctBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => seen.size < seen.add(key(item)).size);
}
