import { Ec2Error } from '../ec2-error.ts';
import { invalidCombination } from './parameters.ts';

export interface PageRequest {
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}

export interface PageRules {
  /** The action's name; a token of one action is refused by another. */
  readonly action: string;
  /** The request names ids, which excludes MaxResults. */
  readonly byId: boolean;
  /** The largest MaxResults, and the size of a page where none is asked for. */
  readonly largest: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string | undefined;
}

const SMALLEST = 5;

/**
 * One page of `items` in the order of `orderOf`. The token holds the place after which to go on, so that what is created
 * or deleted between two pages makes no item appear twice or be left out.
 */
export function pageOf<T>(
  items: readonly T[],
  orderOf: (item: T) => number,
  request: PageRequest,
  rules: PageRules,
): Page<T> {
  const size = pageSize(request, rules);
  const after = request.NextToken === undefined ? -Infinity : readToken(request.NextToken, rules.action);
  const rest = items.filter((item) => orderOf(item) > after).toSorted((one, other) => orderOf(one) - orderOf(other));
  const page = rest.slice(0, size);
  const last = page.at(-1);
  const nextToken = last === undefined || rest.length <= size ? undefined : writeToken(rules.action, orderOf(last));
  return { items: page, nextToken };
}

function pageSize(request: PageRequest, rules: PageRules): number {
  const wanted = request.MaxResults;
  if (wanted === undefined) return rules.byId ? Infinity : rules.largest;
  if (rules.byId) throw invalidCombination('The parameter maxResults cannot be used with the parameter that lists ids');
  if (!Number.isInteger(wanted) || wanted < SMALLEST || wanted > rules.largest) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value ( ${wanted} ) for parameter maxResults is invalid. Expecting a value between ${SMALLEST} and ${rules.largest}.`,
    );
  }
  return wanted;
}

function writeToken(action: string, order: number): string {
  return Buffer.from(`${action}:${order}`).toString('base64url');
}

function readToken(token: string, action: string): number {
  const [name, order, ...rest] = Buffer.from(token, 'base64url').toString('utf8').split(':');
  if (name !== action || order === undefined || !/^\d+$/.test(order) || rest.length > 0) {
    throw new Ec2Error('InvalidPaginationToken', 'The specified pagination token is not valid or is expired');
  }
  return Number(order);
}
