// An SSH client with the defaults of JSch: Ssh.java HOST PORT
import com.jcraft.jsch.*;

public class Ssh {
    public static void main(String[] args) throws Exception {
        Session session = new JSch().getSession("a", args[0], Integer.parseInt(args[1]));
        session.setConfig("StrictHostKeyChecking", "no");
        session.setPassword("b");
        session.connect(5000);
    }
}
