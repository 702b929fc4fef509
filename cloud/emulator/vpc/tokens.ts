import type { Ec2Action, InputOf, OutputOf } from '../ec2-actions.ts';
import { Ec2Error } from '../ec2-error.ts';
import type { Outcome, Transition } from './transition.ts';

const LONGEST_TOKEN = 64;
const LIFETIME_MS = 24 * 3600 * 1000;

/**
 * Makes an action idempotent by its ClientToken (EC2: "Ensuring idempotency in Amazon EC2 API requests"): the same token
 * and parameters answer what was answered before and do nothing; other parameters are refused. Tokens live for a day.
 */
export function idempotent<A extends Ec2Action>(
  action: A,
  transition: Transition<A>,
  tokenOf: (input: InputOf<A>) => string | undefined,
): Transition<A> {
  return (state, input, context): Outcome<OutputOf<A>> => {
    const token = tokenOf(input);
    if (token === undefined || token === '') return transition(state, input, context);
    if (token.length > LONGEST_TOKEN) {
      throw new Ec2Error('InvalidParameterValue', `The client token is longer than ${LONGEST_TOKEN} characters`);
    }
    const key = `${action}:${token}`;
    const fingerprint = fingerprintOf(input);
    const known = state.tokens.get(key);
    if (known !== undefined && context.now - known.usedAt < LIFETIME_MS) {
      if (known.fingerprint !== fingerprint) throw mismatch(token);
      return { state, output: known.output as OutputOf<A> };
    }
    const outcome = transition(state, input, context);
    const tokens = outcome.state.tokens.set(key, { fingerprint, output: outcome.output, usedAt: context.now });
    return { state: { ...outcome.state, tokens }, output: outcome.output };
  };
}

function mismatch(token: string): Ec2Error {
  return new Ec2Error(
    'IdempotentParameterMismatch',
    `The client token '${token}' was already used by a request with other parameters`,
  );
}

/** Canonical text of the parameters, whatever the order of their names; DryRun is no part of what is asked for. */
function fingerprintOf(input: object): string {
  return JSON.stringify(input, (name, value: unknown) => {
    if (name === 'DryRun') return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
  });
}
