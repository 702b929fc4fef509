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
    const requestId = randomUUID();
    let action = '-';
    let fault: Fault | undefined;
    const outcome = this.#guard(requestId, () => {
      const form = parseForm(text);
      action = actionOf(form);
      const shape = knownAction(action, form);
      if (!this.#switches.admit(action as Ec2Action, isUnfiltered(form), now)) throw limitExceeded();
      fault = this.#switches.faults.take(action);
      return strike(fault, requestId) ?? this.#run(region, action as Ec2Action, shape, form, requestId);
    });
    const delayMs = this.#switches.delay(action) + (fault?.kind === 'delay' ? fault.delayMs : 0);
    const answer = fault?.kind === 'lost-answer' ? undefined : outcome.answer;
    return { ...outcome, action, requestId, delayMs, answer, fault: fault?.kind };
  }

  /** A refusal with its own request id, of what is not looked into, e.g. a body that is too large. */
  refuse(error: Ec2Error, action = '-'): Ec2Reply {
    const requestId = randomUUID();
    return { ...refusal(error, requestId), action, requestId, delayMs: 0, fault: undefined };
  }

  #run(
    region: string | undefined,
    action: Ec2Action,
    shape: ActionShape,
    form: ParameterNode,
    requestId: string,
  ): Outcome {
    const input = decodeRequest(shape.request, form);
    refuseUnsupported(action, input);
    const output = this.#execute(region, action, input);
    return { answer: xml(200, encodeResponse(action, shape.response, output, requestId)), errorCode: undefined };
  }

  #guard(requestId: string, run: () => Outcome): Outcome {
    try {
      return run();
    } catch (error) {
      if (error instanceof Ec2Error) return refusal(error, requestId);
      this.#onBug(error);
      return refusal(new Ec2Error('InternalError', 'An internal error has occurred', 500), requestId);
    }
  }
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
