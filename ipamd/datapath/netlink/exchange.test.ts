/** Conversations with a kernel that is faked at the level of messages. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { textAttribute } from './attributes.ts';
import { NLM_F, NLMSG_DONE, NLMSG_ERROR } from './constants.ts';
import { attempt, dump, getOne, submit, type NetlinkSocket } from './exchange.ts';
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeRequest,
  type NetlinkMessage,
  type NetlinkRequest,
} from './message.ts';

const request = (what: string, tolerate: readonly string[] = []): NetlinkRequest => ({
  type: 24,
  flags: 0,
  body: Buffer.alloc(12),
  what,
  tolerate,
});

/** A kernel that answers each request with the datagrams that `answer` makes of it. */
function kernel(answer: (message: NetlinkMessage, index: number) => readonly Buffer[]): NetlinkSocket {
  const queue: Buffer[] = [];
  let sequence = 0;
  let index = 0;
  return {
    send: (bytes) => {
      for (const message of decodeMessages(Buffer.from(bytes))) queue.push(...answer(message, index++));
    },
    receive: () => queue.shift(),
    nextSequence: () => ++sequence,
  };
}

function reply(to: NetlinkMessage, type: number, flags: number, body: Uint8Array): Buffer {
  return encodeRequest({ type, flags, body, what: '' }, to.sequence);
}

function acknowledge(to: NetlinkMessage, errno: number, text = ''): Buffer {
  const head = Buffer.alloc(20);
  head.writeInt32LE(-errno, 0);
  head.writeUInt32LE(16, 4);
  const flags = NLM_F.capped | (text === '' ? 0 : NLM_F.extendedAck);
  return reply(to, NLMSG_ERROR, flags, text === '' ? head : Buffer.concat([head, textAttribute(1, text)]));
}

const object = (to: NetlinkMessage, flags = 0): Buffer => reply(to, 24, flags, Buffer.alloc(12));
const done = (to: NetlinkMessage, flags = 0): Buffer => reply(to, NLMSG_DONE, flags, Buffer.alloc(4));

describe('a batch', () => {
  it('asks for one acknowledgement and hears refusals of the others', () => {
    const flags: number[] = [];
    const socket = kernel((message, index) => {
      flags.push(message.flags & NLM_F.acknowledge);
      if (index === 1) return [acknowledge(message, 17, 'File there')];
      return index === 2 ? [acknowledge(message, 0)] : [];
    });
    const failures = attempt(socket, [request('one'), request('two'), request('three')]);
    expect(flags).toEqual([0, 0, NLM_F.acknowledge]);
    expect(failures.map(({ message }) => message)).toEqual(['two: EEXIST (File there)']);
  });

  it('tolerates what a request calls tolerable', () => {
    const socket = kernel((message) => [acknowledge(message, 3)]);
    expect(attempt(socket, [request('gone', ['ESRCH'])])).toEqual([]);
    expect(() => submit(socket, [request('gone', ['EEXIST'])])).toThrow('gone: ESRCH');
  });

  it('fails when no answer comes, and reports a refusal in its place if there was one', () => {
    expect(() =>
      submit(
        kernel(() => []),
        [request('mute')],
      ),
    ).toThrow('mute: ENODATA (no answer)');
    const halted = kernel((message, index) => (index === 0 ? [acknowledge(message, 1)] : []));
    expect(() => submit(halted, [request('begin'), request('end')])).toThrow('begin: EPERM');
  });
});

describe('a dump', () => {
  it('collects all datagrams', () => {
    const socket = kernel((message) => [
      Buffer.concat([object(message), object(message)]),
      object(message),
      done(message),
    ]);
    expect(dump(socket, request('show'))).toHaveLength(3);
  });

  it('is repeated when interrupted, five times at most', () => {
    let rounds = 0;
    const twice = kernel((message) => {
      rounds += 1;
      return rounds < 3 ? [object(message, NLM_F.dumpInterrupted), done(message)] : [object(message), done(message)];
    });
    expect(dump(twice, request('show'))).toHaveLength(1);
    expect(rounds).toBe(3);
    rounds = 0;
    const always = kernel((message) => {
      rounds += 1;
      return [object(message), done(message, NLM_F.dumpInterrupted)];
    });
    expect(() => dump(always, request('show'))).toThrow('EINTR');
    expect(rounds).toBe(5);
  });

  it('hands on an error, or none if it is tolerated', () => {
    const socket = kernel((message) => [acknowledge(message, 2)]);
    expect(dump(socket, request('show', ['ENOENT']))).toEqual([]);
    expect(() => dump(socket, request('show'))).toThrow('show: ENOENT');
    expect(getOne(socket, request('get', ['ENOENT']))).toBeUndefined();
  });
});

describe('decoding', () => {
  it('of any datagram gives messages or fails with NetlinkDecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          for (const message of decodeMessages(Buffer.from(bytes))) decodeAcknowledgement(message);
        } catch (error) {
          expect(error).toHaveProperty('name', 'NetlinkDecodeError');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
