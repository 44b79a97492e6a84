// Checks receipts of a Synnergy ledger without a node: see `verify`.

export { Refused } from "./bytes.js";
export { type BuildName, Job, type KernelBytes, Kernels, loadKernels } from "./kernels.js";
export { isSigned } from "./ledger/ed25519.js";
export { type TrustedRoot, readGenesis } from "./ledger/genesis.js";
export { type Receipt, type ReceiptFile, readReceipt } from "./ledger/receipt.js";
export { readInput } from "./inputs.js";
export { type Input, type Model, readModel } from "./onnx/model.js";
export { missingOperators, runModel } from "./onnx/run.js";
export { ownKernels } from "./own-kernels.js";
export { TypeCode } from "./steps.js";
export { type NamedTensors, decodeTensors, encodeTensors } from "./tensor/encoding.js";
export { type ElementType, type Elements, type Tensor, tensorOf } from "./tensor/types.js";
export {
  type Check,
  type CheckName,
  type Evidence,
  type NamedFile,
  type Verification,
  verify,
} from "./verify.js";
