/** What earlier versions of ourselves wrote and said is read by this one: frozen bytes, which never change. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRequest, parseResponse } from '#cni/protocol/envelope.ts';
import { FrameDecoder } from '#cni/protocol/frame.ts';
import { compact, decodeJournal, encodeRecord, replay } from '#ipamd/store/records.ts';
import { decodedFrame, recordedFrames } from './recorded-frames.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const journalOf = (name: string) => decodeJournal(readFileSync(join(FIXTURES, name, 'journal.txt'), 'utf8'));

describe.each(readdirSync(FIXTURES))('a version upgraded from: %s', (name) => {
  it('has a journal that is read whole, and says the same when it is written anew', () => {
    const { records, damaged } = journalOf(name);
    expect(damaged).toBe(0);
    const state = replay(records);
    const rewritten = decodeJournal(compact(state, state.latest).map(encodeRecord).join(''));
    expect(rewritten.damaged).toBe(0);
    expect(replay(rewritten.records)).toEqual(state);
  });

  it('has frames of every command, whose requests and answers are understood', () => {
    const frames = recordedFrames(name);
    expect(frames.map(({ command }) => command)).toEqual(['STATUS', 'ADD', 'CHECK', 'GC', 'DEL']);
    for (const { command, request, response } of frames) {
      const asked = parseRequest(decodedFrame(request));
      expect(asked.method.toUpperCase()).toBe(command);
      const answered = parseResponse(decodedFrame(response), asked.id);
      expect(answered).toHaveProperty('result');
    }
  });

  it('has frames that are understood however they are cut', () => {
    for (const { request } of recordedFrames(name)) {
      const decoder = new FrameDecoder();
      const found = [...request].flatMap((byte) => decoder.push(Uint8Array.of(byte)));
      expect(found).toEqual([decodedFrame(request)]);
    }
  });
});

describe('the journal of issue-d-start', () => {
  const state = replay(journalOf('issue-d-start').records);

  it('tells of two pods, one with a host port, and of one that went and whose address rests', () => {
    const ports = [...state.assignments.values()].map(
      ({ pod, portMappings }) => `${pod.name} ${portMappings?.[0]?.hostPort ?? 'none'}`,
    );
    expect(new Set(ports)).toEqual(new Set(['kept 18081', 'plain none']));
    expect([...state.coolDowns.keys()]).toHaveLength(1);
  });

  it('tells of the node and of its two ENIs with their addresses', () => {
    expect(state.identity).toMatchObject({ instanceType: 'm5.large', vpcCidrs: ['10.0.0.0/16'] });
    const interfaces = [...state.interfaces.values()].map(({ networkInterface: { phase, blocks } }) => [
      phase,
      blocks.length,
    ]);
    expect(interfaces).toEqual([
      ['ready', 9],
      ['ready', expect.any(Number)],
    ]);
    expect([...state.intents.keys()]).toEqual([]);
  });
});
