import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import type { StartingPoint } from './address-space.ts';
import type { Placement } from './state.ts';

/** What a transition may know besides the state and its input. */
export interface Context {
  readonly now: number;
  readonly region: string;
  /** Zone names, `<region>a` to `<region>c`. */
  readonly zones: readonly string[];
  readonly accountId: string;
  readonly types: ReadonlyMap<string, InstanceTypeRecord>;
  readonly start: StartingPoint;
  readonly identities: Identities;
}

export interface Identity {
  readonly id: string;
  readonly order: number;
}

/** Names for what is created: unique within a region, the same again for the same seed and the same calls. */
export interface Identities {
  /** An id such as `eni-0` followed by 16 hex digits, and its place in the order of creation. */
  next(prefix: string): Identity;
  /** A locally administered unicast MAC address. */
  mac(): string;
}

const MASK_64 = (1n << 64n) - 1n;
const MASK_40 = (1n << 40n) - 1n;

/**
 * Ids are a bijection of a counter, so they look random and cannot collide. `namespace` sets identities with the same seed
 * apart: at EC2 an id of one region is unknown in every other.
 */
export function seededIdentities(seed: number, namespace = ''): Identities {
  const offset = Buffer.from(namespace).reduce(
    (mixed, byte) => scramble((mixed + BigInt(byte)) & MASK_64),
    scramble(BigInt(seed) & MASK_64),
  );
  let order = 0;
  let macs = 0n;
  return {
    next(prefix) {
      order += 1;
      const value = scramble((offset + BigInt(order)) & MASK_64);
      return { id: `${prefix}-0${value.toString(16).padStart(16, '0')}`, order };
    },
    mac() {
      macs += 1n;
      const value = (offset + macs * 0x9e3779b97fn) & MASK_40;
      return `02:${value.toString(16).padStart(10, '0').match(/../g)!.join(':')}`;
    },
  };
}

/** Where automatic choices start looking; `random` is a stream of its own, repeatable from the seed. */
export function startingPoint(placement: Placement, seed: number): StartingPoint {
  if (placement === 'lowest') return () => 0;
  let state = BigInt(seed) & MASK_64;
  return (size) => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK_64;
    return Number(scramble(state) % BigInt(size));
  };
}

/** The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits. */
function scramble(value: bigint): bigint {
  let mixed = value ^ (value >> 30n);
  mixed = (mixed * 0xbf58476d1ce4e5b9n) & MASK_64;
  mixed ^= mixed >> 27n;
  mixed = (mixed * 0x94d049bb133111ebn) & MASK_64;
  return mixed ^ (mixed >> 31n);
}
