import { Ec2Error } from '../ec2-error.ts';

/** The value of a required parameter; an empty string counts as absent, as in a query string. */
export function required<T>(value: T | null | undefined, name: string): T {
  if (value === undefined || value === null || value === '') {
    throw missing(name);
  }
  return value;
}

export function missing(name: string): Ec2Error {
  return new Ec2Error('MissingParameter', `The request must contain the parameter ${name}`);
}

export function invalidValue(name: string, value: string | number, reason: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', `Value (${value}) for parameter ${name} is invalid. ${reason}`);
}

export function invalidCombination(message: string): Ec2Error {
  return new Ec2Error('InvalidParameterCombination', message);
}

/** A count parameter: absent and 0 are the same; negative or fractional is refused. */
export function countOf(value: number | undefined, name: string): number {
  if (value === undefined) return 0;
  if (!Number.isInteger(value) || value < 0) throw invalidValue(name, value, 'Expecting a non-negative integer.');
  return value;
}

/** Refuses a request that names more than one of several ways to say the same thing; answers how many it names. */
export function atMostOne(choices: Readonly<Record<string, boolean>>): number {
  const named = Object.keys(choices).filter((name) => choices[name]);
  if (named.length > 1) throw invalidCombination(`The parameters ${named.join(' and ')} cannot be used together`);
  return named.length;
}
