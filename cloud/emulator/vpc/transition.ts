import type { Ec2Action, InputOf, OutputOf } from '../ec2-actions.ts';
import type { Context } from './context.ts';
import type { VpcState } from './state.ts';

export interface Outcome<T> {
  readonly state: VpcState;
  readonly output: T;
}

/**
 * One EC2 action as a pure function: a new state and an answer, or an `Ec2Error` and nothing changed. The same state,
 * input and identities give the same outcome.
 */
export type Transition<A extends Ec2Action> = (
  state: VpcState,
  input: InputOf<A>,
  context: Context,
) => Outcome<OutputOf<A>>;

/** An action that only reads. */
export type Query<A extends Ec2Action> = (state: VpcState, input: InputOf<A>, context: Context) => OutputOf<A>;

export function readOnly<A extends Ec2Action>(query: Query<A>): Transition<A> {
  return (state, input, context) => ({ state, output: query(state, input, context) });
}
