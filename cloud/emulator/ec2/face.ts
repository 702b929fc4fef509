import { randomUUID } from 'node:crypto';
import type { Ec2Action } from '../ec2-actions.ts';
import { Ec2Error } from '../ec2-error.ts';
import type { Fault } from '../faults.ts';
import type { Switches } from '../switches.ts';
import { ACTION_CLASSES } from './actions.data.ts';
import { decodeRequest } from './decode.ts';
import { encodeError, encodeResponse } from './encode.ts';
import type { ParameterNode } from './form.ts';
import { parseForm } from './form.ts';
import type { ActionShape } from './shapes.ts';
import { actionShape } from './shapes.ts';
import { UNSUPPORTED } from './unsupported.data.ts';

/** What goes back over HTTP, and how long it is held back. */
export interface Ec2Reply {
  /** The action as asked for; `-` where the request named none. */
  readonly action: string;
  readonly requestId: string;
  readonly delayMs: number;
  /** `undefined`: cut the connection instead of answering. */
  readonly answer: { readonly status: number; readonly contentType: string; readonly body: string } | undefined;
  readonly errorCode: string | undefined;
  readonly fault: Fault['kind'] | undefined;
}

/** Runs an action in a region (undefined: the default one); throws `Ec2Error` where EC2 refuses. */
export type Execute = (
  region: string | undefined,
  action: Ec2Action,
  input: Readonly<Record<string, unknown>>,
) => object;

type Outcome = Pick<Ec2Reply, 'answer' | 'errorCode'>;

interface Named {
  readonly requestId: string;
  readonly fault: Fault | undefined;
}
interface Admitted extends Named {
  readonly kind: 'admitted';
  readonly action: Ec2Action;
  readonly shape: ActionShape;
  readonly form: ParameterNode;
}
type Opened = Admitted | (Named & { readonly kind: 'over'; readonly action: string; readonly outcome: Outcome });

/** How a request that is passed on as it is travels; with the fault `lost-answer` its answer never arrives. */
export interface Passage {
  readonly kind: 'passage';
  readonly action: string;
  readonly delayMs: number;
  readonly fault: Fault['kind'] | undefined;
}

/** A request that was read and admitted, in the SDK's shape. */
export interface AdmittedCall {
  readonly action: Ec2Action;
  readonly input: Readonly<Record<string, unknown>>;
}

/** What is answered: an output that is still to be written, or a document that is written already. */
export type CallAnswer =
  | { readonly kind: 'output'; readonly output: object }
  | {
      readonly kind: 'document';
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
      readonly requestId: string | undefined;
      readonly errorCode: string | undefined;
    };

const XML = 'text/xml;charset=UTF-8';

/** The latest version of the API; older ones are subsets of it and are served alike. */
const LATEST_VERSION = '2016-11-15';

/**
 * The EC2 Query protocol without its transport: the text of a form in, an XML document out. It runs to the end in one
 * go, so requests take effect whole and in the order in which they are handed in. It never throws: what is wrong with a
 * request is an EC2 error, and what is wrong with the emulator is InternalError.
 */
export class Ec2Face {
  readonly #execute: Execute;
  readonly #switches: Switches;
  readonly #onBug: (error: unknown) => void;

  constructor(options: { execute: Execute; switches: Switches; onBug: (error: unknown) => void }) {
    this.#execute = options.execute;
    this.#switches = options.switches;
    this.#onBug = options.onBug;
  }

  /** `region`: the one that the request is signed for. */
  handle(text: string, now: number, region?: string): Ec2Reply {
    const opened = this.#open(text, now);
    if (opened.kind === 'over') return this.#close(opened, opened.outcome);
    const { requestId, shape } = opened;
    const run = (): Outcome => {
      const output = this.#execute(region, opened.action, readInput(opened));
      return {
        answer: xml(200, encodeResponse(opened.action, shape.response, output, requestId)),
        errorCode: undefined,
      };
    };
    try {
      return this.#close(opened, run());
    } catch (error) {
      return this.#close(opened, this.#outcomeOf(error, requestId));
    }
  }

  /** The same, where somebody else answers: `answer` gets what is asked for, after throttling and faults. */
  handleBy(text: string, now: number, answer: (call: AdmittedCall) => Promise<CallAnswer>): Promise<Ec2Reply> {
    return this.#answerBy(text, now, async (opened) => answer({ action: opened.action, input: readInput(opened) }));
  }

  /** The same, for parameters that are not looked at. */
  handleUnread(text: string, now: number, answer: () => Promise<CallAnswer>): Promise<Ec2Reply> {
    return this.#answerBy(text, now, answer);
  }

  async #answerBy(text: string, now: number, answer: (opened: Admitted) => Promise<CallAnswer>): Promise<Ec2Reply> {
    const opened = this.#open(text, now);
    if (opened.kind === 'over') return this.#close(opened, opened.outcome);
    const { action, requestId, shape } = opened;
    try {
      const given = await answer(opened);
      if (given.kind === 'output') {
        const body = encodeResponse(action, shape.response, given.output, requestId);
        return this.#close(opened, { answer: xml(200, body), errorCode: undefined });
      }
      const { status, contentType, body, errorCode } = given;
      const reply = this.#close(opened, { answer: { status, contentType, body }, errorCode });
      return { ...reply, requestId: given.requestId ?? requestId };
    } catch (error) {
      return this.#close(opened, this.#outcomeOf(error, requestId));
    }
  }

  /** What faults and throttling make of a request that is passed on as it is: an answer of ours, or a delay on its way. */
  interrupt(text: string, now: number): Ec2Reply | Passage {
    const opened = this.#open(text, now);
    if (opened.kind === 'over') return this.#close(opened, opened.outcome);
    const { action, delayMs, fault } = this.#close(opened, { answer: undefined, errorCode: undefined });
    return { kind: 'passage', action, delayMs, fault };
  }

  /** A refusal with its own request id, of what is not looked into, e.g. a body that is too large. */
  refuse(error: Ec2Error, action = '-'): Ec2Reply {
    const requestId = randomUUID();
    return { ...refusal(error, requestId), action, requestId, delayMs: 0, fault: undefined };
  }

  /** Reads what is asked for, and lets throttling and faults have their say. */
  #open(text: string, now: number): Opened {
    const requestId = randomUUID();
    let action = '-';
    try {
      const form = parseForm(text);
      action = actionOf(form);
      const shape = knownAction(action, form);
      const known = action as Ec2Action;
      if (!this.#switches.admit(known, isUnfiltered(form), now)) throw limitExceeded();
      const fault = this.#switches.faults.take(action);
      const outcome = strike(fault, requestId);
      if (outcome !== undefined) return { kind: 'over', action, requestId, fault, outcome };
      return { kind: 'admitted', action: known, requestId, fault, shape, form };
    } catch (error) {
      return { kind: 'over', action, requestId, fault: undefined, outcome: this.#outcomeOf(error, requestId) };
    }
  }

  #close({ action, requestId, fault }: Opened, outcome: Outcome): Ec2Reply {
    const delayMs = this.#switches.delay(action) + (fault?.kind === 'delay' ? fault.delayMs : 0);
    const answer = fault?.kind === 'lost-answer' ? undefined : outcome.answer;
    return { ...outcome, action, requestId, delayMs, answer, fault: fault?.kind };
  }

  #outcomeOf(error: unknown, requestId: string): Outcome {
    if (error instanceof Ec2Error) return refusal(error, requestId);
    this.#onBug(error);
    return refusal(new Ec2Error('InternalError', 'An internal error has occurred', 500), requestId);
  }
}

function readInput({ action, shape, form }: Admitted): Readonly<Record<string, unknown>> {
  const input = decodeRequest(shape.request, form);
  refuseUnsupported(action, input);
  return input;
}

function actionOf(form: ParameterNode): string {
  const action = form.children.get('Action')?.value;
  if (action === undefined || action === '') {
    throw new Ec2Error('MissingAction', 'The request must contain the parameter Action');
  }
  return action;
}

function knownAction(action: string, form: ParameterNode): ActionShape {
  const version = form.children.get('Version')?.value;
  if (version !== undefined && !(/^20\d\d-\d\d-\d\d$/.test(version) && version <= LATEST_VERSION)) {
    throw new Ec2Error('NoSuchVersion', `The requested version (${version}) of service AmazonEC2 does not exist`);
  }
  const shape = Object.hasOwn(ACTION_CLASSES, action) ? actionShape(action) : undefined;
  if (shape === undefined) {
    throw new Ec2Error('InvalidAction', `The action ${action} is not valid for this web service.`);
  }
  return shape;
}

function refuseUnsupported(action: Ec2Action, input: Readonly<Record<string, unknown>>): void {
  const parameter = UNSUPPORTED[action]?.find((name) => input[name] !== undefined);
  if (parameter === undefined) return;
  throw new Ec2Error('UnsupportedOperation', `This emulator does not implement ${parameter} of ${action}`);
}

/** The throttling guide counts reads apart that name no ids, no filters and no page size. */
function isUnfiltered(form: ParameterNode): boolean {
  return [...form.children.keys()].every((name) => ['Action', 'Version', 'DryRun'].includes(name));
}

/** What a fault answers in place of the call; `undefined` where the call is to be executed. */
function strike(fault: Fault | undefined, requestId: string): Outcome | undefined {
  switch (fault?.kind) {
    case undefined:
    case 'delay':
    case 'lost-answer':
      return undefined;
    case 'drop':
      return { answer: undefined, errorCode: undefined };
    case 'error':
      return refusal(
        new Ec2Error(fault.code, fault.message ?? `Scripted fault ${fault.code}`, fault.status),
        requestId,
      );
    case 'garbage':
      return {
        answer: { status: 200, contentType: XML, body: 'connection pool stats: 3 idle <' },
        errorCode: undefined,
      };
    case 'http-503':
      return { answer: { status: 503, contentType: 'text/html', body: UNAVAILABLE_PAGE }, errorCode: undefined };
  }
}

const UNAVAILABLE_PAGE =
  '<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>';

function limitExceeded(): Ec2Error {
  return new Ec2Error('RequestLimitExceeded', 'Request limit exceeded.', 503);
}

function refusal(error: Ec2Error, requestId: string): Outcome {
  return { answer: xml(error.status, encodeError(error.code, error.message, requestId)), errorCode: error.code };
}

function xml(status: number, body: string): { status: number; contentType: string; body: string } {
  return { status, contentType: XML, body };
}
