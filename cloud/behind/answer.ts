/** What is answered to the requests that are not passed through. */
import { ACTION_CLASSES } from '../emulator/ec2/actions.data.ts';
import type { AdmittedCall, CallAnswer } from '../emulator/ec2/face.ts';
import type { Ec2Action, InputOf } from '../emulator/ec2-actions.ts';
import { Ec2Error } from '../emulator/ec2-error.ts';
import type { MergedAction } from './actions.data.ts';
import { isMerged } from './actions.data.ts';
import type { Front } from './front.ts';
import { describeInstances, runInstances, terminateInstances } from './instances.ts';
import { parametersOf } from './parameters.ts';
import { changeTags, deleteSecurityGroup, deleteSubnet, describeSubnets, describeTags } from './places.ts';
import type { Parameters, UpstreamAnswer } from './upstream.ts';
import { parseXml, textOf, XmlError } from './xml.ts';

/** Rejects with `Ec2Error`. What is not there is looked for once more in the other EC2, where it may be new. */
export function answerCall(front: Front, call: AdmittedCall, form: string): Promise<CallAnswer> {
  return front.serially(async () => {
    try {
      return await answerOnce(front, call, form);
    } catch (error) {
      if (!(error instanceof Ec2Error) || !error.code.endsWith('.NotFound')) throw error;
      await front.refresh();
      return answerOnce(front, call, form);
    }
  });
}

async function answerOnce(front: Front, { action, input }: AdmittedCall, form: string): Promise<CallAnswer> {
  if (!isMerged(action)) return { kind: 'output', output: execute(front, action, input) };
  const answer = await forward(front, action, input, parametersOf(form));
  return answer === undefined ? { kind: 'output', output: {} } : documentAnswer(answer);
}

/** Actions and their inputs belong together: the face has read the one by the shape of the other. */
function execute(front: Front, action: Ec2Action, input: object): object {
  const asked = input as InputOf<typeof action>;
  return ACTION_CLASSES[action] === 'read' ? front.read(action, asked) : front.region.execute(action, asked);
}

async function forward(
  front: Front,
  action: MergedAction,
  input: Readonly<Record<string, unknown>>,
  parameters: Parameters,
): Promise<UpstreamAnswer | undefined> {
  switch (action) {
    case 'RunInstances':
      return runInstances(front, input as unknown as InputOf<'RunInstances'>, parameters);
    case 'DescribeInstances':
      return describeInstances(front, input, parameters);
    case 'TerminateInstances':
      return terminateInstances(front, input as unknown as InputOf<'TerminateInstances'>, parameters);
    case 'DescribeSubnets':
      return describeSubnets(front, input, parameters);
    case 'DeleteSubnet':
      return deleteSubnet(front, input as unknown as InputOf<'DeleteSubnet'>, parameters);
    case 'DeleteSecurityGroup':
      return deleteSecurityGroup(front, input, parameters);
    case 'CreateTags':
    case 'DeleteTags':
      return changeTags(front, action, input as unknown as InputOf<'CreateTags'>, parameters);
    case 'DescribeTags':
      return describeTags(front, input, parameters);
  }
}

/** Refusals of the other EC2 keep its words. */
export function documentAnswer({ status, contentType, body }: UpstreamAnswer): CallAnswer {
  const { requestId, errorCode } = readable(body);
  return { kind: 'document', status, contentType, body, requestId, errorCode };
}

function readable(body: string): { readonly requestId: string | undefined; readonly errorCode: string | undefined } {
  try {
    const root = parseXml(body);
    return {
      requestId: textOf(root, 'requestId') ?? textOf(root, 'RequestID'),
      errorCode: textOf(root, 'Errors', 'Error', 'Code'),
    };
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    return { requestId: undefined, errorCode: undefined };
  }
}
