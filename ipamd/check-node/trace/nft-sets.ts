/** Looking into sets and maps of nftables. Pure. */
import type { NftElement, NftRuleset, NftSet } from '../nft-ruleset.ts';
import { type Answer, type Bytes, bytesOf, compared, isEqual, type Registers, within } from './nft-registers.ts';

export type Found =
  | { readonly kind: 'element'; readonly element: NftElement }
  | { readonly kind: 'none' }
  /** Bytes of the key that are not known decide. */
  | { readonly kind: 'unknown' };

const NONE: Found = { kind: 'none' };
const UNKNOWN: Found = { kind: 'unknown' };

/** Where a rule stands: the sets that it names are those of its table. */
export type Place = Pick<NftSet, 'family' | 'table'>;

/** Fields of a concatenation begin at words. */
const WORD_BYTES = 4;

/** The length in bytes of the key that this set's look-ups have. */
function keyLength({ elements, fields }: NftSet): number {
  const longest = elements.map(({ key }) => Math.max(0, key.length / 2 - 1)).reduce((a, b) => Math.max(a, b), 0);
  return longest > 0 ? longest : fields.reduce((length, field) => length + padded(field), 0);
}

/** Looks into the set of this name, with the key from the registers; unknown where there is no such set. */
export function findElement(
  ruleset: NftRuleset,
  place: Place,
  name: string,
  from: number,
  registers: Registers,
): Found {
  const { family, table } = place;
  const set = ruleset.sets.find((one) => one.family === family && one.table === table && one.name === name);
  return set === undefined ? UNKNOWN : lookIn(set, registers.get(from, keyLength(set)));
}

/** The element that covers the key; the one that catches all where no other does. */
function lookIn(set: NftSet, key: Bytes): Found {
  const found = set.hasIntervals && set.fields.length === 0 ? inIntervals(set, key) : byElement(set, key);
  if (found.kind !== 'none') return found;
  const rest = set.elements.find((element) => element.key === '');
  return rest === undefined ? NONE : { kind: 'element', element: rest };
}

function byElement({ elements, fields }: NftSet, key: Bytes): Found {
  let isUnsure = false;
  for (const element of elements) {
    if (element.key === '') continue;
    const answer =
      element.keyEnd === null
        ? isEqual(key, bytesOf(element.key))
        : inFields(key, bytesOf(element.key), bytesOf(element.keyEnd), fields);
    if (answer === true) return { kind: 'element', element };
    isUnsure ||= answer === 'unknown';
  }
  return isUnsure ? UNKNOWN : NONE;
}

/** A concatenation's intervals: each field within its own. */
function inFields(key: Bytes, low: Bytes, high: Bytes, fields: readonly number[]): Answer {
  const answers: Answer[] = [];
  let at = 0;
  for (const length of fields.length === 0 ? [key.length] : fields) {
    const part = (bytes: Bytes): Bytes => bytes.slice(at, at + length);
    answers.push(within(part(key), part(low), part(high)));
    at += padded(length);
  }
  if (answers.includes(false)) return false;
  return answers.includes('unknown') ? 'unknown' : true;
}

/** The kernel's tree of intervals: the greatest key that is not above decides, unless it is the end of one. */
function inIntervals({ elements }: NftSet, key: Bytes): Found {
  let best: { readonly element: NftElement; readonly key: Bytes } | undefined;
  for (const element of elements) {
    if (element.key === '') continue;
    const start = bytesOf(element.key);
    const order = compared(key, start);
    if (order === undefined) return UNKNOWN;
    if (order < 0) continue;
    const above = best === undefined ? 1 : (compared(start, best.key) ?? 0);
    // Where one interval ends, the next may begin.
    if (above > 0 || (above === 0 && !element.isEnd)) best = { element, key: start };
  }
  return best === undefined || best.element.isEnd ? NONE : { kind: 'element', element: best.element };
}

function padded(length: number): number {
  return Math.ceil(length / WORD_BYTES) * WORD_BYTES;
}
