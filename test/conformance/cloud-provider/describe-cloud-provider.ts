import { afterAll, beforeAll, describe } from '@jest/globals';
import { addressTests } from './address-tests.ts';
import { describeTests } from './describe-tests.ts';
import { ipv6Tests } from './ipv6-tests.ts';
import { lifecycleTests } from './lifecycle-tests.ts';
import { refusalTests } from './refusal-tests.ts';
import { makeWorld } from './subject.ts';
import type { MakeSubject, Subject, World } from './subject.ts';

/** Holds a provider to every promise of cloud/provider.ts. */
export function describeCloudProvider(name: string, makeSubject: MakeSubject): void {
  describe(`CloudProvider: ${name}`, () => {
    describe('the life of an interface', () => lifecycleTests(useWorld(makeSubject)));
    describe('IPv4 addresses and prefixes', () => addressTests(useWorld(makeSubject)));
    describe('IPv6', () => ipv6Tests(useWorld(makeSubject)));
    describe('lists', () => describeTests(useWorld(makeSubject)));
    describe('refusals', () => refusalTests(useWorld(makeSubject)));
  });
}

/** A world of its own for each part of the suite; made before its tests, gone after them. */
function useWorld(makeSubject: MakeSubject): () => World {
  let subject: Subject | undefined;
  let world: World | undefined;
  beforeAll(async () => {
    subject = await makeSubject();
    world = await makeWorld(subject);
  });
  afterAll(async () => {
    await subject?.[Symbol.asyncDispose]();
  });
  return () => {
    if (world === undefined) throw new Error('the world is made before the tests run');
    return world;
  };
}
