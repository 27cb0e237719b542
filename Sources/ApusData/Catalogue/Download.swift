import ApusCore
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

extension Fetcher {
    /// Fetches by HTTP. A server that says nothing for five seconds is given up.
    package static let network = Fetcher { address, file, byteLimit, progress in
        guard let url = URL(string: address) else {
            throw ApusError.download(url: address, reason: "this is no address", cure: "Correct it.")
        }
        let download = Download(file: file, byteLimit: byteLimit, progress: progress)
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 5
        let session = URLSession(configuration: configuration, delegate: download, delegateQueue: nil)
        session.dataTask(with: url).resume()
        download.wait()
        session.invalidateAndCancel()
        if let problem = download.writingProblem { throw problem }
        if let reason = download.reason {
            throw ApusError.download(url: address, reason: reason, cure: "Check the network.")
        }
    }
}

/// One download on its way to a file. The session calls it from its own queue, one call at a time; the caller reads
/// the outcome after `wait()`.
private final class Download: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    private let file: FileHandle
    private let byteLimit: Int
    private let progress: @Sendable (Int, Int?) -> Void
    private let finished = DispatchSemaphore(value: 0)
    private var byteCount = 0
    private var expected: Int?
    private(set) var reason: String?
    private(set) var writingProblem: (any Error)?

    init(file: FileHandle, byteLimit: Int, progress: @escaping @Sendable (Int, Int?) -> Void) {
        self.file = file
        self.byteLimit = byteLimit
        self.progress = progress
    }

    func wait() { finished.wait() }

    func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
    ) {
        if let status = (response as? HTTPURLResponse)?.statusCode, status != 200 {
            reason = "\(response.url?.host ?? "the server") answers with HTTP status \(status)"
            return completionHandler(.cancel)
        }
        expected = response.expectedContentLength > 0 ? Int(response.expectedContentLength) : nil
        completionHandler(.allow)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        byteCount += data.count
        guard byteCount <= byteLimit else {
            reason = "more than \(byteLimit) bytes came, so this is not the file"
            return dataTask.cancel()
        }
        do {
            try file.write(contentsOf: data)
        } catch {
            writingProblem = error
            return dataTask.cancel()
        }
        progress(byteCount, expected)
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        if let error, reason == nil { reason = Self.words(error as NSError) }
        finished.signal()
    }

    private static func words(_ error: NSError) -> String {
        switch error.code {
        case NSURLErrorTimedOut: return "no answer within 5 seconds"
        case NSURLErrorNotConnectedToInternet: return "there is no network"
        default:
            let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError
            return (underlying ?? error).localizedDescription
        }
    }
}
