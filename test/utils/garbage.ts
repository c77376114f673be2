import * as V8 from "node:v8"
import * as Vm from "node:vm"

V8.setFlagsFromString("--expose-gc")

/** Collects all garbage, without a flag of the process. */
export const collectGarbage: () => void = Vm.runInNewContext("gc")
