import ApusCore
import CApusKernels

/// Throws what a kernel's status says; every call into the kernels that can fail goes through here.
func check(_ status: apus_status, _ call: String) throws {
    guard status != 0 else { return }
    let last = String(cString: apus_last_call())
    throw ApusError.library(
        name: last.hasPrefix("dnnl") ? "oneDNN \(String(cString: apus_onednn_version()))" : "Apus kernels",
        call: last.isEmpty ? call : last, status: String(cString: apus_status_name(status)))
}
