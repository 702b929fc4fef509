import { describe, expect, it } from '@jest/globals';
import { roughly, secondsLeft } from './time-left.ts';

const part = (seconds: number) => ({ name: 'any', seconds });

describe('secondsLeft', () => {
  it('is what is expected before anything has run', () => {
    expect(secondsLeft({ done: [], rest: [part(30), part(60)] })).toBe(90);
  });

  it('goes by how slow the machine was so far', () => {
    const done = [{ ...part(30), took: 60 }];
    expect(secondsLeft({ done, current: { ...part(10), ran: 5 }, rest: [part(60)] })).toBe(15 + 120);
  });

  it('expects nothing more of a part that takes longer than it should', () => {
    expect(secondsLeft({ done: [], current: { ...part(10), ran: 50 }, rest: [part(7)] })).toBe(7);
  });
});

describe('roughly', () => {
  it.each([
    [0, '5 s'],
    [41, '45 s'],
    [119, '120 s'],
    [125, '2 min'],
    [899, '15 min'],
  ])('says %d seconds as %s', (seconds, text) => expect(roughly(seconds)).toBe(text));
});
