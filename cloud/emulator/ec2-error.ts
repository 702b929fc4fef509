/**
 * A refusal as EC2 words it: `code` is one of the EC2 API's error codes (EC2 API reference, "Error codes"), `status` the
 * HTTP status it travels with. The wire face turns it into the XML error document; nothing in it is ours.
 */
export class Ec2Error extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = 'Ec2Error';
    this.code = code;
    this.status = status;
  }
}
